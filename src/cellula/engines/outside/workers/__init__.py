"""Programs that run inside the environment of an engine; nothing of cellula is there."""

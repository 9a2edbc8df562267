"""The sections of the dossier: pure functions from a study's record to blocks."""

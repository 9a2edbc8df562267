"""Multicellular models: agents, cellular Potts, monodomain tissue will live here."""

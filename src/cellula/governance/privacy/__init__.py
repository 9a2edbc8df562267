"""Privacy: memorisation tests, differential privacy, federation will live here."""

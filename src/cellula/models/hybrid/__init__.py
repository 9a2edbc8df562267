"""Physics and networks together (extra ``learned``) will live here."""

"""Neural models on shared blocks (extra ``learned``) will live here."""

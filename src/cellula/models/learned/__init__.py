"""Neural models on shared blocks (extra ``learned``)."""

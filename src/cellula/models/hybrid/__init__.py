"""Physics and networks together (extra ``learned``): declared problems, learned currents."""

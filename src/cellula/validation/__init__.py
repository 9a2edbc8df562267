"""Studies: the protocol file, its gates, and the inner, middle and outer loops."""

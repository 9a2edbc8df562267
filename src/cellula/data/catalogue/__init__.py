"""Public data sets that cellula can fetch: one source a file."""

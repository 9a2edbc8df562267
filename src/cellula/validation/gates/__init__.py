"""Gates: one pure rule a file."""

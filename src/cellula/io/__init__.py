"""File formats: one a file; plain AnnData, MuData, DataFrame or Network in and out."""

"""Molecules from SMILES: standard form, fingerprints, scaffolds, graphs (extra ``chem``)."""

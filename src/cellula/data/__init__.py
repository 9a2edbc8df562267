"""The door of the data: opening with roles, splits, leakage, quality, harmonisation."""

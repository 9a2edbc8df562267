"""The dossier: one HTML page, its figures, and the RO-Crate description of a bundle."""

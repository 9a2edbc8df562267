"""Gates on consent, licence, privacy and fairness, found by name through the registry."""

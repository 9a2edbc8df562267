"""Credibility, rights, consent, privacy, fairness, explanation, monitoring."""

"""Explanations of single answers, and whether they can be trusted (extra ``learned``)."""

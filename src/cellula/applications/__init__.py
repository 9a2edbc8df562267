"""Compositions for use: targets, compounds, mechanism, liver, heart, exposure, twin.

Each will be a file with one function ``run(...) -> Report`` and no new mathematics.
"""

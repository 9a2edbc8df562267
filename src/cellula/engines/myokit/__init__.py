"""Myokit: models of excitable cells compiled to C and solved by CVODES."""

"""Reactions in every voxel of a grid, and diffusion between them."""

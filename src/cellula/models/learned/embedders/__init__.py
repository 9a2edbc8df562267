"""Foundation models behind one door: checkpoints on this disk as vectors of cells and genes."""

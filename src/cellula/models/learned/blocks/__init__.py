"""What learned models are made of: each block is one file and knows no model."""

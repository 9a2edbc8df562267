"""Prior knowledge of genes as graphs and embeddings that say what they were made from."""

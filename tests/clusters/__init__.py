"""Searches and embeddings by other packages, in processes that they start."""

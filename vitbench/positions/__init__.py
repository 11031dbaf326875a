"""Position embeddings: what they are, and what they know about place."""

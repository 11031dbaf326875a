"""The captioner, decoding, words and their maps, grounding scores."""

"""Attention maps of a network: one layer, all layers rolled out, and what they say of tokens."""

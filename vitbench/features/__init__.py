"""What a network makes of each patch: its features at any layer, and what can be seen in them without a head."""

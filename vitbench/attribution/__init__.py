"""Maps of what a class depends on: gradients, relevance, and asking the network again."""

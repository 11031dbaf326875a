"""Where a network comes from, and what a workbench may ask of it."""

"""TensorBoard logs of any tool as runs: which folders belong to one run, and their scalars, read as they grow."""

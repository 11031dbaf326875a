"""The training loop, its checkpoints, and the worker process that runs it."""

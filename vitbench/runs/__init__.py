"""Run folders, their events, the queue, GPUs and launchers. Nothing here imports torch."""

"""What this machine is doing: its GPUs and who holds them, its processors, memory and disk. Nothing here changes it."""

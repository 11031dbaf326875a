"""The headless twins of the screens: one file a command, found by `vitbench.cli`."""

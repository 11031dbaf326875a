"""What one may ask of a network, as typed, immutable values without torch.

Commands, screens, the inspector's protocol and the records in saved figures use these types. Each has its defaults
once and its validation once; layers, heads, rows and columns count from 1.
"""

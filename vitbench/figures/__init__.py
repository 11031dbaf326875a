"""Arrays in, pictures out. Nothing here knows a network."""

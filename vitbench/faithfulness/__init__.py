"""How well a map finds an object, and how much the network depends on what it marks."""

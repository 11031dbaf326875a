"""From a network and a picture to maps, and how good a map is."""

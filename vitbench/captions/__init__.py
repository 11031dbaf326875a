"""The captioner: from a picture to a caption, and from each word back to the picture."""

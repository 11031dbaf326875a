"""The captioner: from a picture to a sentence, and from each word back to the picture."""

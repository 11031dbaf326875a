"""Where pictures, labels, captions and masks come from."""

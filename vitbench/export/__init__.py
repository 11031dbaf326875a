"""A network as a folder that other libraries load: weights, configuration, preprocessing, class names, model card."""

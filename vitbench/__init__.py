"""vitbench: the terminal workbench for Vision Transformers. The engine; the screens live beside it."""

__version__ = "0.1.0"

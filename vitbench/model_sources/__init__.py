"""Where networks come from, by the word before the colon of `timm:NAME`: each is one file here, without torch at its
top, or comes with an installed package."""

from vitbench.declarations import Declarations
from vitbench.model_sources.base import ModelSource

SOURCES = Declarations("model source", ModelSource, "vitbench.model_sources", "SOURCE", lambda one: one.order)

"""timm's networks."""

from vitbench.model_sources.base import ModelSource

SOURCE = ModelSource("timm", "any network of timm, by its name", "vitbench.models.timm_source:TimmSource", order=10)

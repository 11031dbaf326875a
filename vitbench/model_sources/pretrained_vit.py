"""The networks of pytorch_pretrained_vit."""

from vitbench.model_sources.base import ModelSource

SOURCE = ModelSource(
    "pretrained_vit",
    "the networks of pytorch_pretrained_vit, converted weight by weight",
    "vitbench.models.pretrained_vit_source:PretrainedVitSource",
    order=20,
)

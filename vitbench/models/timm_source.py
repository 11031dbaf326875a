"""timm as a source of networks."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from vitbench.data.preprocessing import Preprocessing
from vitbench.model_sources.base import Size
from vitbench.models import timm_networks
from vitbench.progress import Progress


class TimmSource:
    """`timm:NAME`; what each method does is said by `Source`.

    A source of other weights for timm's architectures is made from this one: its own `check`, `architecture`,
    `published` and `origin`.
    """

    def check(self, name: str) -> None:
        timm_networks.check_name(name)

    def architecture(self, name: str) -> str:
        return name

    def own_size(self, name: str) -> Size | None:
        return None

    def create(self, name: str, *, size: Size | None, num_classes: int | None, options: Mapping[str, Any]) -> nn.Module:
        return timm_networks.create(self.architecture(name), size=size, num_classes=num_classes, **options)

    def weights_url(self, name: str) -> str | None:
        return None

    def published(self, name: str, *, size: Size | None, options: Mapping[str, Any], progress: Progress) -> nn.Module:
        state = timm_networks.published_weights(name, progress)
        return timm_networks.create_with_weights(name, state, where=f"timm's {name}", size=size, **options)

    def load(
        self,
        name: str,
        state: Mapping[str, Tensor],
        *,
        where: str,
        size: Size | None,
        trained_size: Size | None,
        options: Mapping[str, Any],
    ) -> nn.Module:
        architecture = self.architecture(name)
        return timm_networks.create_with_weights(
            architecture, state, where=where, size=size, trained_size=trained_size, **options
        )

    def preprocessing(self, name: str, module: nn.Module, size: Size | None) -> Preprocessing:
        return timm_networks.preprocessing(module, size)

    def origin(self, name: str, module: nn.Module) -> tuple[str, str]:
        config: Any = module.pretrained_cfg
        tag = str(config.get("tag") or "untagged")
        return tag, f"The weights are those that timm publishes for {name.partition('.')[0]} under the tag {tag}."

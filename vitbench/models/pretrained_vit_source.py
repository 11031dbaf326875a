"""pytorch_pretrained_vit as a source of networks: timm's modules, with its settings and its weights converted."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.model_sources.base import Size
from vitbench.models import pretrained_vit
from vitbench.models.adaptation import set_image_size
from vitbench.models.weight_files import mismatch
from vitbench.progress import Progress


class PretrainedVitSource:
    """`pretrained_vit:NAME`; what each method does is said by `Source`."""

    def check(self, name: str) -> None:
        pretrained_vit.configuration(name)

    def architecture(self, name: str) -> str:
        return pretrained_vit.architecture(name)

    def own_size(self, name: str) -> Size | None:
        return pretrained_vit.image_size(name)

    def create(self, name: str, *, size: Size | None, num_classes: int | None, options: Mapping[str, Any]) -> nn.Module:
        return pretrained_vit.create(name, size=size, num_classes=num_classes, **options)

    def weights_url(self, name: str) -> str | None:
        return pretrained_vit.address(name)

    def published(
        self, name: str, *, size: Size | None, options: Mapping[str, object], progress: Progress
    ) -> nn.Module:
        raise NotImplementedError("they are a file, at weights_url")

    def load(
        self,
        name: str,
        state: Mapping[str, Tensor],
        *,
        where: str,
        size: Size | None,
        trained_size: Size | None,
        options: Mapping[str, object],
    ) -> nn.Module:
        head = state.get("head.weight")
        classes = 0 if head is None else int(head.shape[0])
        module = self.create(name, size=trained_size, num_classes=classes, options=options)
        try:
            module.load_state_dict(state)
        except RuntimeError as error:
            raise UserError(f"{where} does not fit pretrained_vit:{name}: {mismatch(error)}") from error
        if size is not None:
            set_image_size(module, size, f"pretrained_vit:{name}")
        return module

    def preprocessing(self, name: str, module: nn.Module, size: Size | None) -> Preprocessing:
        return pretrained_vit.preprocessing(name, size)

    def origin(self, name: str, module: nn.Module) -> tuple[str, str]:
        return name, f"The weights are those that pytorch_pretrained_vit publishes as {name}."

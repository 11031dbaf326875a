"""The formats that a network is exported in. No torch in here: the command's help and the app list them."""

from dataclasses import dataclass

from vitbench.errors import UserError
from vitbench.nearest import perhaps


@dataclass(frozen=True)
class Format:
    """One library's way to save a network. `loading` are the lines of Python that open the folder FOLDER."""

    name: str
    title: str
    package: str
    """What has to be installed to open it, as pip names it."""
    loading: str


_ALL = (
    Format(
        "timm",
        "timm, by local-dir:",
        "timm",
        'import timm\n\nmodel = timm.create_model("local-dir:FOLDER", pretrained=True).eval()\n'
        'names = model.pretrained_cfg["label_names"]\n'
        "transform = timm.data.create_transform(**timm.data.resolve_data_config(model=model))",
    ),
    Format(
        "hf",
        "transformers, by from_pretrained",
        "transformers",
        "from transformers import AutoImageProcessor, AutoModelForImageClassification\n\n"
        'model = AutoModelForImageClassification.from_pretrained("FOLDER")\n'
        'processor = AutoImageProcessor.from_pretrained("FOLDER")\n'
        "names = model.config.id2label",
    ),
    Format(
        "pretrained_vit",
        "pytorch_pretrained_vit, by its own loader",
        "pytorch-pretrained-vit",
        "import json\nfrom pathlib import Path\n\nfrom pytorch_pretrained_vit import ViT\n"
        "from pytorch_pretrained_vit.configs import PRETRAINED_MODELS\n"
        "from pytorch_pretrained_vit.utils import load_pretrained_weights\n\n"
        'config = json.loads(Path("FOLDER/config.json").read_text())\n'
        'PRETRAINED_MODELS["exported"] = config["pytorch_pretrained_vit"]\n'
        'model = ViT("exported", image_size=tuple(config["image_size"])).eval()\n'
        'load_pretrained_weights(model, weights_path="FOLDER/weights.pth")\n'
        'names = config["label_names"]',
    ),
    Format(
        "onnx",
        "ONNX, for onnxruntime",
        "onnxruntime",
        'import onnxruntime\n\nsession = onnxruntime.InferenceSession("FOLDER/model.onnx")\n'
        '(logits,) = session.run(None, {"pixels": pixels})  # float32 [batch, 3, height, width], normalised',
    ),
)
EXPORT_FORMATS: dict[str, Format] = {one.name: one for one in _ALL}


def find_format(name: str) -> Format:
    """The format called `name`. Raises UserError, naming those that there are."""
    if name not in EXPORT_FORMATS:
        raise UserError(
            f"There is no format {name!r}{perhaps(name, EXPORT_FORMATS)}; choose {', '.join(EXPORT_FORMATS)}."
        )
    return EXPORT_FORMATS[name]

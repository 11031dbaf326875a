"""`preprocessor_config.json` of transformers, as our own Preprocessing: each key as transformers reads it.

A key that is missing has the default of the processor's class, not of all processors: they differ in size, crop,
interpolation and normalisation. A default that is used is said in a note.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vitbench.data.preprocessing import Preprocessing, Resize
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import DESCRIPTION
from vitbench.text import clean

FILE_NAME = "preprocessor_config.json"
_RESAMPLING = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers."""
Three = tuple[float, float, float]
"""One number a colour channel."""
_HALF = (0.5, 0.5, 0.5)
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class _Defaults:
    """What a processor class takes for keys that its file leaves out."""

    size: Mapping[str, int]
    mean: Three = _HALF
    std: Three = _HALF
    resample: int = 3
    crop: int | None = None


_PROCESSORS = {
    "vit": _Defaults({"height": 224, "width": 224}, resample=2),
    "deit": _Defaults({"height": 256, "width": 256}, crop=224),
    "beit": _Defaults({"height": 224, "width": 224}),
    "bit": _Defaults({"shortest_edge": 224}, *_CLIP, crop=224),
    "clip": _Defaults({"shortest_edge": 224}, *_CLIP, crop=224),
    "siglip": _Defaults({"height": 224, "width": 224}),
    "dinov3vit": _Defaults({"height": 224, "width": 224}, *_IMAGENET, resample=2),
    "blip": _Defaults({"height": 384, "width": 384}, *_CLIP),
}
_OF_MODEL = {
    "vit": "vit",
    "deit": "deit",
    "beit": "beit",
    "dinov2": "bit",
    "dinov2_with_registers": "bit",
    "dinov3_vit": "dinov3vit",
    "siglip_vision_model": "siglip",
    "siglip2_vision_model": "siglip",
    "clip_vision_model": "clip",
}
"""The processor that transformers takes for a `model_type` where no file names one."""


@dataclass(frozen=True)
class PreparedAs:
    """How pictures are prepared, and one sentence for each thing that the folder leaves open."""

    preprocessing: Preprocessing
    notes: tuple[str, ...] = ()


def read_preprocessing(folder: Path, model_type: str, size: tuple[int, int]) -> PreparedAs:
    """The preprocessing of a folder for a network of `size` (height, width) pixels and transformers' `model_type`.

    Without the file the class's defaults at the network's own size are taken, and said.
    Raises UserError if what the file asks for is not known or cannot be done here.
    """
    file = folder / FILE_NAME
    if not file.exists():
        defaults = _PROCESSORS[_OF_MODEL.get(model_type, "vit")]
        preprocessing = Preprocessing(
            *size, interpolation=_RESAMPLING[defaults.resample], mean=defaults.mean, std=defaults.std
        )
        return PreparedAs(
            preprocessing, (f"{folder.name} has no {FILE_NAME}, so the usual one of {model_type} was taken.",)
        )
    said = read_json_object(file, DESCRIPTION)
    nested = said.get("image_processor")
    return _prepared(file, nested if isinstance(nested, Mapping) else said, model_type, size)


def _prepared(file: Path, said: Mapping[str, object], model_type: str, own: tuple[int, int]) -> PreparedAs:
    defaults, notes = _defaults(file, said, model_type)
    missing = [key for key in ("size", "resample") if key not in said and said.get("do_resize", True)]
    normalizes = bool(said.get("do_normalize", True))
    missing += [key for key in ("image_mean", "image_std") if key not in said and normalizes]
    if missing:
        notes.append(f"{file.name} does not say {', '.join(missing)}: the default of its processor was taken.")
    scaled = _scaled(file, said.get("size", defaults.size), defaults) if said.get("do_resize", True) else None
    crops = bool(said.get("do_center_crop", defaults.crop is not None))
    cut = _pair(file, "crop_size", said.get("crop_size", defaults.crop or own)) if crops else None
    mean = _three(file, said, "image_mean", defaults.mean)
    std = _three(file, said, "image_std", defaults.std)
    factor = _number(file, said, "rescale_factor", 1 / 255) if said.get("do_rescale", True) else 1.0
    if not normalizes:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    # Ours divides by 255 first: another factor is the same with other means and deviations.
    stretch = factor * 255
    if not 0 < stretch < math.inf:
        raise UserError(f"{file}: rescale_factor is {factor}; it must be above 0.")
    if abs(stretch - 1) > 1e-9:
        mean, std = _divided(mean, stretch), _divided(std, stretch)
    resample = said.get("resample", defaults.resample)
    if not isinstance(resample, int) or resample not in _RESAMPLING:
        raise UserError(f"{file}: resample is {clean(str(resample))!r}; known: 0 to 3, Pillow's numbers.")
    resize, (height, width), fraction = _geometry(file, scaled, cut, own)
    preprocessing = Preprocessing(height, width, resize, fraction, _RESAMPLING[resample], mean, std)
    return PreparedAs(preprocessing, tuple(notes))


def _defaults(file: Path, said: Mapping[str, object], model_type: str) -> tuple[_Defaults, list[str]]:
    name = str(said.get("image_processor_type", said.get("feature_extractor_type", "")))
    key = name.lower().removesuffix("fast").removesuffix("pil").removesuffix("imageprocessor")
    key = key.removesuffix("featureextractor")
    if key in _PROCESSORS:
        return _PROCESSORS[key], []
    usual = _OF_MODEL.get(model_type, "vit")
    note = f"{file.name} names the processor {clean(name)!r}, which is not known here; its keys are read as {usual}'s."
    return _PROCESSORS[usual], [note] if name else []


def _scaled(file: Path, size: object, defaults: _Defaults) -> int | tuple[int, int]:
    """The short side that a picture is resized to, or (height, width) whatever its shape."""
    if isinstance(size, Mapping):
        if "shortest_edge" in size and "longest_edge" not in size:
            return _whole(file, "size", size["shortest_edge"])
        if "height" in size and "width" in size:
            return _whole(file, "size", size["height"]), _whole(file, "size", size["width"])
        raise UserError(
            f"{file}: size has {', '.join(map(clean, map(str, size)))}; known: shortest_edge, or height and width."
        )
    if isinstance(size, int) and "shortest_edge" in defaults.size:
        return _whole(file, "size", size)
    return _pair(file, "size", size)


def _geometry(
    file: Path, scaled: int | tuple[int, int] | None, cut: tuple[int, int] | None, own: tuple[int, int]
) -> tuple[Resize, tuple[int, int], float]:
    """(how to resize, (height, width), crop fraction) of Preprocessing."""
    if scaled is None or (isinstance(scaled, int) and cut is None):
        raise UserError(f"{file} gives pictures of every shape, and this network takes {own[0]}x{own[1]} only.")
    if isinstance(scaled, tuple) and (cut is None or cut == scaled):
        return "squash", scaled, 1.0
    assert cut is not None
    sides = (scaled, scaled) if isinstance(scaled, int) else scaled
    resize: Resize = "crop" if isinstance(scaled, int) else "squash"
    if cut[0] > sides[0] or cut[1] > sides[1]:
        raise UserError(f"{file}: crop_size {cut[0]}x{cut[1]} is larger than the resized picture.")
    # Half a pixel more, so that rounding down gives the side again.
    fractions = {min(1.0, part / (side + 0.5)) if part < side else 1.0 for part, side in zip(cut, sides, strict=True)}
    if len(fractions) > 1:
        raise UserError(
            f"{file}: the crop {cut[0]}x{cut[1]} of {sides[0]}x{sides[1]} takes another share of the height than of the"
            " width, which cannot be done here."
        )
    return resize, cut, fractions.pop()


def _pair(file: Path, key: str, value: object) -> tuple[int, int]:
    if isinstance(value, Mapping):
        if "height" not in value or "width" not in value:
            raise UserError(f"{file}: {key} needs height and width.")
        value = (value["height"], value["width"])
    if isinstance(value, int):
        value = (value, value)
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise UserError(f"{file}: {key} is {clean(str(value))!r}, not a number or a pair.")
    return _whole(file, key, value[0]), _whole(file, key, value[1])


def _whole(file: Path, key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 16384:
        raise UserError(f"{file}: {key} has {clean(str(value))!r}, not a number of pixels.")
    return value


def _number(file: Path, said: Mapping[str, object], key: str, default: float) -> float:
    value = said.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{file}: {key} is {clean(str(value))!r}, not a number.")
    return float(value)


def _three(file: Path, said: Mapping[str, object], key: str, default: Three) -> Three:
    values = said.get(key, default)
    if not isinstance(values, list | tuple) or len(values) != 3 or not all(isinstance(v, int | float) for v in values):
        raise UserError(f"{file}: {key} is {clean(str(values))!r}, not three numbers.")
    return float(values[0]), float(values[1]), float(values[2])


def _divided(values: Three, by: float) -> Three:
    return values[0] / by, values[1] / by, values[2] / by

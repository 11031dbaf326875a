"""What the network sees must be what timm and torchvision make of the same picture, to the bit."""

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform
from torchvision import transforms

from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def picture(width: int, height: int) -> Image.Image:
    noise = np.random.default_rng(width * height).integers(0, 256, (height // 3 + 1, width // 3 + 1, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (100, 100), (31, 200), (1024, 33)])
@pytest.mark.parametrize(
    ("target", "resize", "fraction", "interpolation"),
    [
        ((64, 64), "squash", 1.0, "bilinear"),
        ((64, 64), "crop", 0.875, "bicubic"),
        ((48, 96), "crop", 0.9, "bicubic"),
        ((96, 48), "crop", 1.0, "bilinear"),
        ((56, 80), "squash", 0.95, "bicubic"),
        ((224, 224), "crop", 0.9, "lanczos"),
    ],
)
def test_equals_timms_evaluation_transform(size, target, resize, fraction, interpolation):
    ours = Preprocessing(*target, resize, fraction, interpolation, MEAN, STD)
    theirs = create_transform(
        (3, *target),
        is_training=False,
        interpolation=interpolation,
        mean=MEAN,
        std=STD,
        crop_pct=fraction,
        crop_mode="squash" if resize == "squash" else "center",
    )
    original = picture(*size)
    assert torch.equal(ours.normalize(ours.resized(original)), theirs(original))


def test_equals_the_reports_transform():
    ours = Preprocessing(384, 384)
    theirs = transforms.Compose(
        [transforms.Resize((384, 384)), transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)]
    )
    assert torch.equal(ours.normalize(ours.resized(picture(500, 333))), theirs(picture(500, 333)))


def test_normalize_takes_any_leading_shape():
    pixels = torch.randint(0, 256, (2, 3, 5, 7, 3), dtype=torch.uint8)
    preprocessing = Preprocessing(5, 7, mean=MEAN, std=STD)
    normalized = preprocessing.normalize(pixels)
    assert normalized.shape == (2, 3, 3, 5, 7)
    one = (pixels[1, 2].double() / 255 - torch.tensor(MEAN).double()) / torch.tensor(STD).double()
    torch.testing.assert_close(normalized[1, 2].double(), one.movedim(-1, 0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("resize", "fraction"), [("squash", 1.0), ("squash", 0.8), ("crop", 1.0), ("crop", 0.875)])
@pytest.mark.parametrize("size", [(300, 200), (200, 300)])
def test_box_is_what_is_seen(resize, fraction, size):
    """Against a picture that carries its own coordinates in its colours."""
    width, height = size
    across = np.broadcast_to(np.linspace(0, 255, width)[None, :], (height, width))
    down = np.broadcast_to(np.linspace(0, 255, height)[:, None], (height, width))
    coordinates = Image.fromarray(np.stack([across, down, down], axis=-1).round().astype(np.uint8))
    preprocessing = Preprocessing(64, 48, resize, fraction)
    seen = preprocessing.resized(coordinates).astype(float) / 255
    left, top, right, bottom = preprocessing.box(width, height)
    step_across, step_down = (right - left) / 48, (bottom - top) / 64
    # The centre of the first pixel lies half a step inside the box.
    assert seen[32, 0, 0] * width == pytest.approx(left + step_across / 2, abs=2.5)
    assert seen[32, -1, 0] * width == pytest.approx(right - step_across / 2, abs=2.5)
    assert seen[0, 24, 1] * height == pytest.approx(top + step_down / 2, abs=2.5)
    assert seen[-1, 24, 1] * height == pytest.approx(bottom - step_down / 2, abs=2.5)


def test_survives_json_and_refuses_nonsense():
    preprocessing = Preprocessing(224, 448, "crop", 0.9, "bicubic", MEAN, STD)
    assert Preprocessing.from_dict(preprocessing.to_dict()) == preprocessing
    for change in ({"height": 0}, {"resize": "stretch"}, {"crop_fraction": 1.5}, {"interpolation": "best"}, {"x": 1}):
        with pytest.raises(UserError):
            Preprocessing.from_dict(preprocessing.to_dict() | change)
    assert "448" in preprocessing.describe()
    assert "90.0%" in preprocessing.describe()

"""Real photographs, which generated scenes cannot stand for: trained on, evaluated, explained, captioned.

They come from the wheels of scikit-image and scikit-learn, so nothing of them is committed; `make test-real` installs
these into an environment of its own. Elsewhere the tests are skipped with this reason.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NEEDED = ("skimage", "sklearn")
missing = [name for name in NEEDED if find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(missing), reason="needs scikit-image and scikit-learn: run make test-real"),
    pytest.mark.timeout(1800),
]

IN_SKIMAGE = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "ihc.png")
IN_SKLEARN = ("china.jpg", "flower.jpg")
CROPS = 16


@pytest.fixture(scope="session")
def photographs() -> dict[str, Path]:
    """Name to file of each photograph in the wheels."""
    import skimage
    import sklearn

    skimage_data = Path(skimage.__file__).parent / "data"
    sklearn_data = Path(sklearn.__file__).parent / "datasets" / "images"
    files = [skimage_data / name for name in IN_SKIMAGE] + [sklearn_data / name for name in IN_SKLEARN]
    found = {file.stem: file for file in files if file.is_file()}
    assert len(found) >= 4, "the wheels no longer hold their photographs"
    return found


@pytest.fixture(scope="session")
def crops(photographs, tmp_path_factory) -> Path:
    """Crops of the photographs in class folders: of all shapes, some turned by EXIF, split into train and test."""
    root = tmp_path_factory.mktemp("real") / "crops"
    random = np.random.default_rng(0)
    for label, file in photographs.items():
        with Image.open(file) as picture:
            whole = picture.convert("RGB")
        for number in range(CROPS):
            width, height = random.integers(120, 240, 2)
            width, height = min(int(width), whole.width), min(int(height), whole.height)
            left, top = (int(random.integers(0, room + 1)) for room in (whole.width - width, whole.height - height))
            crop = whole.crop((left, top, left + width, top + height))
            exif = Image.Exif()
            if number % 4 == 0:
                exif[0x0112] = 6
                crop = crop.transpose(Image.Transpose.ROTATE_90)
            target = root / ("test" if number % 4 == 3 else "train") / label / f"{number}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            crop.save(target, exif=exif, quality=92)
    return root


def vitbench(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "VITBENCH_HOME": str(home)}
    command = [sys.executable, "-m", "vitbench", *arguments]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert answer.returncode == 0, answer.stderr[-2000:]
    return answer


def test_photographs_are_trained_on_evaluated_and_explained(crops, tmp_path):
    home = tmp_path / "home"
    said = vitbench(home, "data", str(crops)).stdout
    assert "splits test and train" in said or "splits train and test" in said
    settings = ["model.name=demo", "train.epochs=6", "train.device=cpu", "train.head_epochs=0", "train.batch_size=16"]
    changes = [word for setting in settings for word in ("--set", setting)]
    changes += ["--set", "schedule.warmup_epochs=1", "--set", "optim.lr=1e-3"]
    run = vitbench(home, "train", "scratch", "--data", str(crops), *changes, "--foreground").stdout.splitlines()[0]
    evaluation = json.loads(vitbench(home, "evaluate", run, "--json").stdout)
    chance = 1 / len(evaluation["classes"])
    assert evaluation["accuracy"] > 2 * chance
    picture = next((crops / "test").rglob("*.jpg"))
    figure = tmp_path / "attention.png"
    vitbench(home, "attention", run, str(picture), "--out", str(figure))
    with Image.open(figure) as drawn:
        assert np.asarray(drawn.convert("RGB")).std() > 10


def test_photographs_are_captioned(photographs, tmp_path):
    files = [str(file) for file in photographs.values()][:3]
    answer = vitbench(tmp_path / "home", "caption", "demo", *files, "--out", str(tmp_path / "f"))
    assert len(list((tmp_path / "f").iterdir())) == len(files)
    assert answer.stdout


def test_handwritten_digits_of_scikit_learn(tmp_path):
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number in range(0, 400):
        target = tmp_path / "digits" / f"{digits.target[number]}_{number}.png"
        target.parent.mkdir(exist_ok=True)
        Image.fromarray((digits.images[number] * 15).astype(np.uint8)).resize((24, 24)).save(target)
    found = json.loads(vitbench(tmp_path / "home", "data", str(tmp_path / "digits"), "--json").stdout)
    assert sorted(found["classes"], key=int) == [str(digit) for digit in range(10)]
    assert found["left_out"] == 0

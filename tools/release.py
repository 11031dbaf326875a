"""`make release`: builds sdist and wheel, and tries the wheel in an empty environment on each Python of this machine.

The wheel is built from the sdist, so both hold what is needed. In each environment: the console script, `python -m
vitbench`, every command's help, the data files, the interface for scripts, and a figure by the package's network; on
the first Python also every extra. Needs a package index, or uv's cache.
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / ".venv-release"
UV = Path(sys.executable).with_name("uv")
OLDEST, TOO_NEW = (3, 11), (3, 14)
"""The Pythons that are tried: from the first up to before the second, for which torch may have no wheels yet."""
OF_EXTRAS = {
    "graphics": "textual_image",
    "hf": "transformers",
    "sweep": "optuna",
    "heif": "pillow_heif",
    "matlab": "scipy",
    "onnx": "onnxruntime",
    "pdf": "weasyprint",
    "slurm": "submitit",
    "docs": "mkdocs",
}
"""What each extra brings, by the name that is imported."""
OF_DEVELOPERS = {"test", "check", "coverage"}
"""Extras that are not tried: `make test` and `make check` use them."""
CHECKS = """
import importlib.metadata as metadata, json, sys
from pathlib import Path
import vitbench, screens
from vitbench import api
from vitbench.catalogue import model_names
from vitbench.cli import COMMANDS, build_parser
from vitbench.paths import sample_images, shipped_weights
from vitbench.recipe import load_recipe, preset_names
checkout = sys.argv[1]
assert Path(vitbench.__file__).parent.parent != Path(checkout), vitbench.__file__
package = Path(vitbench.__file__).parent
for command in COMMANDS:
    build_parser(command)
for preset in preset_names():
    load_recipe(preset)
missing = [file for file in ("py.typed", "catalogue.json", "completion/vitbench.bash") if not (package / file).exists()]
assert not missing, missing
assert (Path(screens.__file__).parent / "app.tcss").exists()
assert len(model_names()) > 500 and len(list(sample_images().glob("*.png"))) == 16
assert {"classifier.safetensors", "captioner.safetensors"} <= {file.name for file in shipped_weights().iterdir()}
(script,) = [point for point in metadata.entry_points(group="console_scripts") if point.name == "vitbench"]
assert script.load() is not None
assert metadata.version("vitbench") == vitbench.__version__
sheet = api.explain("demo", [sample_images() / "04_heart_square.png"])
print(api.save(sheet, "attention.png"))
"""


def run(*command: str | Path, cwd: Path = ROOT, **variables: str) -> str:
    """Runs a command, and returns what it prints. Raises SystemExit with its output if it fails."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=kept | variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def pythons() -> dict[str, Path]:
    """Version (3.12): a Python of this machine, for each that vitbench supports: those that uv knows, and pyenv's."""
    known = json.loads(run(UV, "python", "list", "--only-installed", "--output-format", "json"))
    paths = [Path(one["path"]) for one in known if one["path"] and one["implementation"] == "cpython"]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found: dict[str, Path] = {}
    for path in (*paths, *sorted(pyenv.glob("versions/3.*/bin/python"))):
        version = run(path, "-c", "import sys; print(*sys.version_info[:2], sep='.')").strip()
        if OLDEST <= tuple(map(int, version.split("."))) < TOO_NEW:
            found.setdefault(version, path)
    return dict(sorted(found.items()))


def build(folder: Path) -> Path:
    """Builds both, the wheel from the sdist, and returns the wheel."""
    for old in folder.glob("vitbench-*"):
        old.unlink()
    run(UV, "build", "--quiet", "--out-dir", folder)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    print(f"{wheel.name} {wheel.stat().st_size:,} bytes, {sdist.name} {sdist.stat().st_size:,} bytes", flush=True)
    return wheel


def environment(name: str, python: Path) -> Path:
    """The Python of a new, empty environment."""
    place = ENVIRONMENTS / name
    run(UV, "venv", "--quiet", "--clear", "--python", python, place)
    return place / "bin" / "python"


def install(python: Path, wanted: str) -> None:
    """Installs the wheel, or the wheel with extras, with the versions of constraints.txt."""
    constraints = ROOT / "constraints.txt"
    run(UV, "pip", "install", "--quiet", "--python", python, "--constraint", constraints, wanted)


def check(python: Path) -> None:
    """Tries an installation from a folder in which nothing of the checkout lies."""
    with tempfile.TemporaryDirectory() as folder:
        here, home = Path(folder), {"VITBENCH_HOME": folder, "VITBENCH_GPUS": ""}
        version = run(python.with_name("vitbench"), "--version", cwd=here, **home)
        assert version == run(python, "-m", "vitbench", "--version", cwd=here, **home)
        assert "examples:" in run(python.with_name("vitbench"), "train", "--help", cwd=here, **home)
        run(python, "-c", CHECKS, ROOT, cwd=here, **home)
        assert (here / "attention.png").stat().st_size > 10_000
        run(python.with_name("vitbench"), "scenes", "pictures", "--count", "12", "--size", "32", cwd=here, **home)
        assert len(list((here / "pictures").rglob("*.png"))) >= 12


def main() -> int:
    """Builds, and tries on each Python."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    missing = extras.keys() - OF_EXTRAS.keys() - OF_DEVELOPERS
    if missing:
        raise SystemExit(f"tools/release.py does not say what the extra {', '.join(missing)} brings.")
    found = pythons()
    if not found:
        raise SystemExit("There is no Python on this machine that vitbench supports.")
    wheel = build(ROOT / "dist")
    for number, (version, path) in enumerate(found.items()):
        python = environment(version, path)
        install(python, str(wheel))
        check(python)
        print(f"Python {version}: installed, and all that it has to do done", flush=True)
        if number == 0:
            install(python, f"{wheel}[{','.join(OF_EXTRAS)}]")
            for extra, module in OF_EXTRAS.items():
                run(python, "-c", f"import {module}", cwd=Path(tempfile.gettempdir()))
                print(f"  extra {extra}: {module} is there", flush=True)
    print(f"Tried on Python {', '.join(found)}. To publish: {UV.name} publish dist/*", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

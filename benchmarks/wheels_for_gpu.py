"""The wheels that the GPU machine lacks, exactly: into `.whl/`, which `.git/info/exclude` should name.

    python benchmarks/wheels_for_gpu.py [--out .whl]

That machine has CPython 3.12 and the packages listed below; nothing can be installed there but what is carried. The
versions are those of constraints.txt. Every requirement of every wheel is checked: it is another wheel's, or there.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

MISSING = (
    *("pydantic", "pydantic-core", "annotated-types", "typing-inspection", "tomli-w", "pytorch-pretrained-vit"),
    "timm",
)
"""What vitbench needs for training, maps and the inspector, and the machine has not, or has too old (timm). The
workbench stays here."""
THERE = (
    *("torch", "torchvision", "pyyaml", "numpy", "pillow", "matplotlib", "rich", "tensorboard", "safetensors"),
    *("protobuf", "nvidia-ml-py", "psutil", "tokenizers", "huggingface-hub", "typing-extensions", "packaging", "scipy"),
)
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
LIMIT, TREE = 64.0, 12.0
"""MiB that travel in all, and what of it the tree takes."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(".whl"))
    out = parser.parse_args().out
    pins = dict(
        re.findall(r"(?m)^([\w.-]+)==(\S+)", Path(__file__).parent.parent.joinpath("constraints.txt").read_text())
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in MISSING:
            wheel = fetch(f"{name}=={pins[name]}", Path(folder))
            print(f"{wheel.stat().st_size / 2**20:6.2f} MiB  {wheel.name}")
        wheels = sorted(Path(folder).glob("*.whl"))
        unmet = sorted({need for wheel in wheels for need in requirements(wheel)} - {*MISSING, *THERE})
        if unmet:
            print(f"Needed, and neither carried nor there: {', '.join(unmet)}", file=sys.stderr)
            return 1
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        for wheel in wheels:
            shutil.copy(wheel, out)
    total = sum(wheel.stat().st_size for wheel in out.iterdir()) / 2**20
    print(f"{total:6.2f} MiB in {len(list(out.iterdir()))} wheels")
    print(f"{total + TREE:6.2f} MiB with a tree of about {TREE:.0f}, of {LIMIT:.0f} that travel")
    return int(total + TREE > LIMIT)


def fetch(requirement: str, folder: Path) -> Path:
    """The wheel for CPython 3.12 on Linux; one of pure Python is built where only its source is published."""
    before = set(folder.iterdir())
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    chosen = ["--only-binary=:all:", "--python-version", "3.12", "--implementation", "cp"]
    chosen += [word for platform in PLATFORMS for word in ("--platform", platform)]
    download = [*command, "download", "--no-deps", *chosen, "-d", str(folder), requirement]
    if subprocess.run(download, capture_output=True, check=False).returncode:
        subprocess.run([*command, "wheel", "--no-deps", "-w", str(folder), requirement], check=True)
    (wheel,) = set(folder.iterdir()) - before
    if not re.search(r"-(cp312-cp312|cp3\d+-abi3|py3|py2\.py3)-", wheel.name):
        raise SystemExit(f"{wheel.name} is not for CPython 3.12")
    return wheel


def requirements(wheel: Path) -> list[str]:
    """The packages that a wheel needs, extras aside, under their plain names."""
    with zipfile.ZipFile(wheel) as archive:
        (file,) = (name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        metadata = HeaderParser().parsestr(archive.read(file).decode())
    needs = [need for need in metadata.get_all("Requires-Dist") or [] if "extra" not in need.partition(";")[2]]
    return [re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", need)[0]).lower() for need in needs]


if __name__ == "__main__":
    sys.exit(main())

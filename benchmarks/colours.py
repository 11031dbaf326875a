"""Pictures in 256 colours: dithered, beside each pixel's nearest colour by Rich, which was the way before.
python benchmarks/colours.py [--packages DIR] [--out FILE]

`--packages` is a site-packages folder that has scikit-image and scikit-learn, in an environment made for this and
thrown away afterwards: five of their photographs are used, and none is copied. Without it, the package's own pictures
stand in for them, which the result says.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cie import blurred, check, ciede2000, lab, linear, similarity
from PIL import Image
from result_file import ResultFile
from rich.color import Color, ColorSystem
from rich.color_triplet import ColorTriplet
from rich.console import Console
from textual.color import Color as TextualColor
from textual.strip import Strip

from screens.colours import DepthFilter
from screens.widgets.dithering import to_palette
from screens.widgets.oklab import FIRST, PALETTE
from screens.widgets.painting import half_blocks
from screens.widgets.picture import fitted_size
from vitbench.inspector.client import Inspector
from vitbench.paths import sample_images
from vitbench.requests.attention import AttentionRequest
from vitbench.terminal_colours import Depth

PHOTOGRAPHS = (
    "skimage/data/astronaut.png",
    "skimage/data/coffee.png",
    "skimage/data/chelsea.png",
    "sklearn/datasets/images/china.jpg",
    "sklearn/datasets/images/flower.jpg",
)
METHODS = ("libra", "raw", "generic", "rollout", "grad_cam")
CELLS = (56, 28)
"""The cells of each of the two pictures of the Attention screen at 120x40."""
BLUR = 1.0
"""Standard deviation, in pixels (half a cell high): what the eye mixes at arm's length."""


def photographs(packages: Path | None) -> tuple[list[tuple[str, np.ndarray]], str]:
    """Five pictures by name, and what they are."""
    if packages is None:
        files = sorted(sample_images().glob("*.png"))[:5]
        return [opened(file) for file in files], "the package's own pictures, for want of --packages"
    files = [packages / name for name in PHOTOGRAPHS]
    if missing := [str(file) for file in files if not file.is_file()]:
        files = sorted(sample_images().glob("*.png"))[:5]
        return [opened(file) for file in files], f"the package's own pictures, because {missing[0]} is not there"
    return [opened(file) for file in files], "photographs of scikit-image and scikit-learn"


def opened(file: Path) -> tuple[str, np.ndarray]:
    return file.stem, in_cells(np.asarray(Image.open(file).convert("RGB")))


def in_cells(pixels: np.ndarray) -> np.ndarray:
    size = fitted_size(pixels.shape[1], pixels.shape[0], *CELLS)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


async def maps() -> list[tuple[str, np.ndarray]]:
    """Maps of five methods over five pictures, as the Attention screen shows them."""
    inspector = Inspector(Path(tempfile.mkdtemp()))
    files = sorted(sample_images().glob("*.png"))[::3]
    try:
        found = []
        for method, file in zip(METHODS, files, strict=False):
            request = AttentionRequest(network="demo", pictures=(str(file),), method=method)
            answer = await inspector.ask("sheet", kind=request.kind, request=request.record())
            found.append((f"map, {method}", in_cells(answer.arrays["panel 1"])))
        return found
    finally:
        await inspector.close()


def before(pixels: np.ndarray) -> np.ndarray:
    """Each pixel's colour as Rich takes it down; the first 16 as xterm shows them."""
    flat = [Color.from_triplet(ColorTriplet(*pixel)) for pixel in pixels.reshape(-1, 3).tolist()]
    numbers = [colour.downgrade(ColorSystem.EIGHT_BIT).number for colour in flat]
    return np.array([PALETTE[n - FIRST] if n >= FIRST else (0, 0, 0) for n in numbers], np.uint8).reshape(pixels.shape)


def measures(pixels: np.ndarray, shown: np.ndarray) -> tuple[float, float]:
    """The mean colour difference and the structural similarity of lightness, both after the blur."""
    one, other = lab(blurred(pixels, BLUR)), lab(blurred(shown, BLUR))
    return float(ciede2000(one, other).mean()), similarity(one[..., 0], other[..., 0])


def sharp_similarity(pixels: np.ndarray, shown: np.ndarray) -> float:
    return similarity(lab(linear(pixels))[..., 0], lab(linear(shown))[..., 0])


def painted_before(pixels: np.ndarray, console: Console) -> str:
    return "".join(strip.render(console) for strip in half_blocks(pixels))


def painted_now(pixels: np.ndarray, console: Console) -> str:
    few = DepthFilter(Depth.PALETTE)
    strips: list[Strip] = half_blocks(to_palette(pixels))
    return "".join(strip.apply_filter(few, TextualColor(0, 0, 0)).render(console) for strip in strips)


def redraw(pictures: list[np.ndarray], paint: Callable[[np.ndarray, Console], str], colours: str) -> tuple[float, int]:
    """Median milliseconds from pixels to what is sent for pictures that were not drawn before, and the bytes."""
    console = Console(color_system=colours, force_terminal=True)
    times, sizes = [], []
    for pixels in pictures:
        began = time.perf_counter()
        text = paint(pixels, console)
        times.append((time.perf_counter() - began) * 1e3)
        sizes.append(len(text.encode()))
    return statistics.median(times), round(statistics.mean(sizes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, help="a site-packages folder with scikit-image and scikit-learn")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    check()
    pictures, words = photographs(chosen.packages)
    pictures += asyncio.run(maps())
    result = ResultFile("colours", "Pictures in 256 colours", "numpy", "rich", "textual", out=chosen.out)
    lines = [f"Five pictures ({words}) and five maps of the package's network in {CELLS[0]}x{CELLS[1]} cells. Mean"]
    lines += [f"CIEDE2000 and structural similarity of L* after a Gaussian blur of {BLUR:g} pixel in linear light; the"]
    lines += ["last two columns without the blur, where dithering is seen as grain.", ""]
    lines += ["| picture | CIEDE2000 before | now | similarity before | now | sharp before | now |"]
    lines += ["|---|---|---|---|---|---|---|"]
    rows = []
    for name, pixels in pictures:
        old, new = before(pixels), to_palette(pixels)
        (d1, s1), (d2, s2) = measures(pixels, old), measures(pixels, new)
        rows.append((d1, d2, s1, s2, sharp_similarity(pixels, old), sharp_similarity(pixels, new)))
        lines.append(f"| {name} | {' | '.join(f'{v:.2f}' for v in rows[-1][:2])} | ")
        lines[-1] += f"{' | '.join(f'{v:.3f}' for v in rows[-1][2:])} |"
    d1, d2, s1, s2, sharp1, sharp2 = np.mean(rows, 0)
    lines += [f"| **mean** | {d1:.2f} | {d2:.2f} | {s1:.3f} | {s2:.3f} | {sharp1:.3f} | {sharp2:.3f} |", ""]
    lines += [f"The colour distance is {d2 / d1:.2f} times what it was (at most 0.5 was to be reached).", ""]
    pixels_only = [pixels for _, pixels in pictures]
    old_time, old_bytes = redraw(pixels_only, painted_before, "256")
    new_time, new_bytes = redraw(pixels_only, painted_now, "truecolor")
    lines += [f"From pixels to what is sent, median of pictures not drawn before: before {old_time:.0f} ms and"]
    lines += [f"{old_bytes / 1024:.0f} KiB, now {new_time:.0f} ms and {new_bytes / 1024:.0f} KiB a picture."]
    result.say("\n".join(lines))
    result.write()


if __name__ == "__main__":
    main()

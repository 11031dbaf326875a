"""How long `vitbench homework p2` takes a picture, and so for the 1,500 pictures of the course.

    python benchmarks/homework.py [PICTURES]

The pictures (120 without a number) are generated scenes; the captioner is the package's.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from result_file import ResultFile

WHOLE, GOAL = 1500, 600.0


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 120
    result = ResultFile("homework", "Figures of captions for the homework", "torch", "matplotlib")
    vitbench = [sys.executable, "-m", "vitbench"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        # Of the scenes, seven in ten are for training.
        scenes = ["scenes", str(place / "scenes"), "--count", str(-(-count * 10 // 7)), "--seed", "3"]
        subprocess.run([*vitbench, *scenes], check=True, stderr=subprocess.DEVNULL)
        pictures = sorted((place / "scenes" / "train").iterdir())
        seconds = []
        for some in (pictures[: count // 2], pictures[:count]):
            images = place / f"images-{len(some)}"
            images.mkdir()
            for picture in some:
                (images / picture.name).symlink_to(picture)
            began = time.perf_counter()
            asked = ["homework", "p2", str(images), str(place / f"figures-{len(some)}"), "--run", "demo"]
            subprocess.run([*vitbench, "--store", str(place / "store"), *asked], check=True, stderr=subprocess.DEVNULL)
            seconds.append((len(some), time.perf_counter() - began))
    (few, short), (many, long) = seconds
    each = (long - short) / (many - few)
    whole = long + each * (WHOLE - many)
    result.say(
        f"{few} pictures took {short:.1f} s and {many} took {long:.1f} s: {each:.2f} s for each further picture,"
    )
    result.say(f"so {WHOLE:,} take {whole / 60:.1f} minutes.\n")
    result.goal(f"{WHOLE:,} pictures in {GOAL / 60:.0f} minutes", whole <= GOAL)
    result.write()


if __name__ == "__main__":
    main()

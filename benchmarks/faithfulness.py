"""How good the maps of each method are on the package's classifier, by `vitbench faithfulness`; writes
`results/faithfulness.md` with its figure.

    python benchmarks/faithfulness.py [--count 200]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from result_file import RESULTS, ResultFile

DATA = "scenes:base?count=3000&size=96&seed=5"
PICTURES = 200
POINTING, MIOU = 0.95, 0.6
CONTROLS = ("random", "oracle")
LOWER_IS_BETTER = ("leak", "positive", "deletion")
COMPARED = ("pointing", "pixel_accuracy", "miou", "map", "foreground_ap", "mass", "rank", "leak")
PERTURBED = ("positive", "negative", "deletion", "insertion")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--count", type=int, default=PICTURES, help="pictures; with others than these nothing is written"
    )
    chosen = parser.parse_args()
    result = ResultFile("faithfulness", "How good maps are, on the package's classifier", "torch", "timm")
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "faithfulness.md"
        command = [sys.executable, "-m", "vitbench", "--store", folder, "faithfulness", "demo", "--data", DATA]
        command += ["--count", str(chosen.count), "--out", str(table), "--json"]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        figure, tables = table.with_suffix(".png").read_bytes(), table.read_text().partition("\n")[2]
    title = found["title"].partition(", in ")[0].rstrip(".")  # without the folder of this run
    result.say(f"{title}. `vitbench faithfulness demo --data '{DATA}' --count {chosen.count}`; blanked pixels")
    result.say(f"are {found['fill']}. [Methods](../../docs/methods.md#how-good-a-map-is) says what it is worth.\n")
    result.say("![A panel a measure](faithfulness.png)\n")
    goals(result, {row["method"]: row for row in found["methods"] if row["group"] == "correct"})
    result.say(tables.rstrip())
    if chosen.count == PICTURES:
        result.write()
        (RESULTS / "faithfulness.png").write_bytes(figure)
    return 0


def goals(result: ResultFile, rows: dict[str, dict[str, Any]]) -> None:
    """Whether the method with the highest pointing reaches the goals, on each picture's own class."""

    def value(method: str, measure: str) -> float:
        return float(rows[method][measure]["value"])

    def ahead(other: str, measure: str) -> bool:
        sign = -1 if measure in LOWER_IS_BETTER else 1
        return sign * value(best, measure) > sign * value(other, measure)

    best = max((name for name in rows if name not in CONTROLS), key=lambda name: value(name, "pointing"))
    result.goal(f"the best method ({best}) points at the object on {POINTING:.0%}", value(best, "pointing") >= POINTING)
    result.goal(f"it has mIoU of at least {MIOU}", value(best, "miou") >= MIOU)
    for other in ("rollout", "random"):
        behind = [measure for measure in (*COMPARED, *PERTURBED) if not ahead(other, measure)]
        said = f" (not in {', '.join(behind)})" if behind else ""
        result.goal(f"it is ahead of {other} on every measure{said}", not behind)


if __name__ == "__main__":
    sys.exit(main())

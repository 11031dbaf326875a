"""`vitbench demo`: the whole job on what comes with the package: train, evaluate, look inside, save figures."""

import argparse
import os
import shlex
import shutil
import sys
import time
from pathlib import Path

from vitbench.commands._runs import INTERRUPTED, follow_run, pause_run, start_run
from vitbench.demo import PART_NAMES, accuracy_before, create_demo, known_pictures, open_demo, save_figures, save_report
from vitbench.paths import store_folder
from vitbench.progress import ConsoleProgress, duration
from vitbench.runs.store import Run
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("--headless", action="store_true", help="print how it goes instead of opening the workbench")


def is_headless(arguments: argparse.Namespace) -> bool:
    """Whether the demo only prints: asked to, or without a terminal."""
    return bool(arguments.headless) or not (sys.stdin.isatty() and sys.stdout.isatty())


def run(arguments: argparse.Namespace) -> int:
    """Headless, follows the run to its end. In a terminal the run goes on by itself, and the workbench opens on it."""
    began = time.monotonic()
    store = store_folder(arguments.store)
    run = create_demo(store)
    print("The package's network gets a new head, for 37 kinds of shapes that it has never seen.")
    if not is_headless(arguments):
        process = start_run(run)
        figures = run.folder / "figures"
        how = "waits for a free GPU" if process is None else "trains by itself"
        print(f"Run {run.id} {how}. Meanwhile, figures of the package's network:")
        _print_files(save_figures("demo", figures, store, ConsoleProgress()))
        return 0
    from vitbench.compose.sources import Sources

    data = open_demo(run, store, ConsoleProgress())
    process = start_run(run, follow=True)
    try:
        before = accuracy_before(run, data)  # while the run's process imports torch, which keeps one core busy
    except KeyboardInterrupt:
        pause_run(run)
        return INTERRUPTED
    if code := follow_run(run, process):
        return code
    sources = Sources(store)
    pictures = known_pictures(data)
    _print_files(save_figures(run.id, run.folder / "figures", store, pictures=pictures, sources=sources))
    report = save_report(run, store, ConsoleProgress(), sources=sources)
    _print_result(run, before)
    print(f"The report: {clean(str(report))}")
    print(f"All of it took {duration(time.monotonic() - began)}, and is kept in {clean(str(run.folder))}")
    print(f"Look at it in the workbench: {_command()} --store {clean(shlex.quote(str(store)))}")
    return 0


def _command() -> str:
    """How a shell finds this program: by its name only where its environment is active."""
    script = Path(sys.executable).with_name("vitbench")
    if shutil.which("vitbench") or not script.is_file():
        return "vitbench"
    return shlex.quote(os.path.relpath(script) if script.is_relative_to(Path.cwd()) else str(script))


def _print_files(files: list[Path]) -> None:
    for file in files:
        print(f"  {clean(str(file))}")


def _print_result(run: Run, before: float) -> None:
    import numpy as np

    from vitbench.training.evaluation import load_evaluation

    step = run.checkpoint("best").step
    print(f"Accuracy before training: {before:.1%}")
    for part, name in PART_NAMES.items():
        evaluation = load_evaluation(run.folder / "evaluations" / f"{part}-{step}.npz")
        print(f"Accuracy on {len(evaluation):,} {name}: {np.mean(evaluation.correct):.1%}")
        print(f"  {evaluation.sentence()}")

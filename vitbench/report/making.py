"""`make_report`: facts are gathered, said, and written into one folder, which appears when it is whole."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from vitbench import __version__
from vitbench.compose.sources import Sources
from vitbench.errors import UserError
from vitbench.files.outputs import Outputs
from vitbench.files.own_folders import make_own_folder, plan_own_folder
from vitbench.methods import DEFAULT_METHOD
from vitbench.progress import Progress, moment, silent
from vitbench.report.document import Document, Missing
from vitbench.report.drawing import Drawer
from vitbench.report.facts import ResultFacts
from vitbench.report.gather_networks import gather_attention, gather_captions, gather_positions
from vitbench.report.gather_run import (
    gather_made,
    gather_result,
    shown_mistakes,
)
from vitbench.report.gather_setting import gather_setting
from vitbench.report.gather_tried import gather_tried, named
from vitbench.report.markdown import to_markdown
from vitbench.report.page import to_html
from vitbench.report.say_attention import say_attention
from vitbench.report.say_captions import say_captions
from vitbench.report.say_made import say_made
from vitbench.report.say_positions import say_positions
from vitbench.report.say_result import say_result
from vitbench.requests.report import MistakesRequest, ReportRequest
from vitbench.runs.evaluations import Scored, ScoredLabels
from vitbench.runs.store import Run

PAGE, TEXT, PRINT = "report.html", "report.md", "report.pdf"
_STEPS = ("result", "mistakes", "positions", "attention", "captions", "pages")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Report:
    """The folder, its files from the page on, and a sentence for each that could not be made."""

    folder: Path
    files: tuple[str, ...]
    notes: tuple[str, ...]


def make_report(
    request: ReportRequest, sources: Sources, folder: Path, *, outputs: Outputs, progress: Progress = silent
) -> Report:
    """Writes the report of a run into `folder`, whole or not at all.

    What `progress` raises ends the work. Raises UserError for a run, or a run to compare with, that there is not.
    """
    run, step = _run(request, sources)
    plan_own_folder(outputs, folder)
    document = gather(request, run, step, sources, str(folder), progress)
    progress(len(_STEPS) - 1, len(_STEPS), "writing the report")
    page, text = to_html(document), to_markdown(document)
    printed, notes = to_pdf(page)
    recipe = (run.folder / "recipe.toml").read_bytes()

    def fill(unfinished: Path) -> None:
        (unfinished / PAGE).write_text(page, encoding="utf-8")
        (unfinished / TEXT).write_text(text, encoding="utf-8")
        (unfinished / "recipe.toml").write_bytes(recipe)
        if printed is not None:
            (unfinished / PRINT).write_bytes(printed)
        (unfinished / "figures").mkdir()
        for figure in document.figures():
            (unfinished / "figures" / f"{figure.name}.png").write_bytes(figure.png)
            (unfinished / "figures" / f"{figure.name}.pdf").write_bytes(figure.pdf)

    make_own_folder(outputs, folder, fill)
    progress(len(_STEPS), len(_STEPS), "writing the report")
    files = [PAGE, TEXT, *([PRINT] if printed is not None else []), "figures"]
    return Report(folder, tuple(files), notes)


def gather(
    request: ReportRequest, run: Run, step: int | None, sources: Sources, out: str, progress: Progress = silent
) -> Document:
    """All facts of a run, said. `step` is that of its checkpoint, `out` what the folder is called in the commands."""
    others, sweeps = named(request.compare, sources.store)  # refused before the work
    reference = f"{run.reference}@{step}" if step is not None else run.reference

    def at(name: str, work: Callable[[Drawer], Value]) -> Value:
        place = _STEPS.index(name) + 1

        def told(done: int, total: int, what: str) -> None:
            progress(done, total, f"report, {place} of {len(_STEPS)}: {what}")

        told(0, 0, name)
        return work(Drawer(sources, told))

    result = at("result", lambda drawer: gather_result(run, step, drawer.draw))
    setting = gather_setting(run, step)
    tried = gather_tried(run, others, sweeps, sources.store)
    result = at("mistakes", lambda drawer: _with_mistakes(result, reference, drawer))
    evaluated: list[Scored | ScoredLabels] = [*result.scores, *result.labels]
    scored = evaluated[0] if evaluated else None
    recipe = run.recipe()
    if step is not None and recipe.task != "caption":
        positions = at("positions", lambda drawer: gather_positions(reference, drawer))
    else:
        model = request.attention_model
        positions = at("positions", lambda drawer: gather_positions(model or run.id, drawer))
    attention = at("attention", lambda drawer: gather_attention(reference, request, recipe, scored, drawer))
    captions = at(
        "captions", lambda drawer: gather_captions(request, recipe.task, recipe.model.name, drawer, drawer.progress)
    )
    made = gather_made(run, request, out)
    name = recipe.name or run.id
    at_step = f", step {step:,}" if step is not None else ""
    return Document(
        f"Report on {name}",
        f"Run {run.id}{at_step}. Made by vitbench {__version__} on {moment(_now(), '%Y-%m-%d')}.",
        (
            say_result(result, setting, tried),
            say_positions(positions),
            say_attention(attention),
            say_captions(captions),
            say_made(made),
        ),
    )


def to_pdf(page: str) -> tuple[bytes | None, tuple[str, ...]]:
    """The page as PDF, or a sentence that says why there is none."""
    how = "pip install 'vitbench[pdf]' installs WeasyPrint, which writes it"
    if find_spec("weasyprint") is None:
        return None, (f"There is no {PRINT}: {how}.",)
    try:
        from weasyprint import HTML

        content: bytes = HTML(string=page).write_pdf()
    except OSError as error:
        return None, (f"There is no {PRINT}: WeasyPrint misses a library of the system ({error}).",)
    return content, ()


def _with_mistakes(result: ResultFacts, reference: str, drawer: Drawer) -> ResultFacts:
    if not result.scores:
        return result
    mistakes = shown_mistakes(result.scores[0])
    if not mistakes:
        if result.scores[0].correct == result.scores[0].pictures:
            return result
        gone = Missing("The pictures of the mistakes are not where they were evaluated, so none is shown.")
        return replace(result, missing=(*result.missing, gone))
    try:
        request = MistakesRequest(network=reference, mistakes=tuple(mistakes), method=DEFAULT_METHOD)
        sheet = drawer.compose(request)
    except UserError as error:
        return replace(result, missing=(*result.missing, Missing(str(error))))
    words = (
        "The worst mistakes, each beside the maps for the class it was taken for and for the right one"
        f" ({sheet.facts['title']})."
    )
    figure = drawer.figure("mistakes", sheet, words)
    return replace(result, figures=(*result.figures, figure), mistakes_shown=len(mistakes))


def _run(request: ReportRequest, sources: Sources) -> tuple[Run, int | None]:
    """The run, and the step of the checkpoint that is meant; None where it has none yet."""
    name, _, which = request.run.partition("@")
    run = sources.store.find(name)
    try:
        return run, run.checkpoint(which or "best").step
    except UserError:
        if which:
            raise
        return run, None


def _now() -> float:
    import time

    return time.time()

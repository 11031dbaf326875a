"""Figures of the captions of many pictures, by several processes: drawing takes longer than captioning, on one core."""

import multiprocessing
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from vitbench.compose import compose
from vitbench.compose.sources import Sources
from vitbench.data.parallel import usable_cores
from vitbench.data.pictures import UnreadablePicture
from vitbench.figures.save import sheet_bytes
from vitbench.requests.captions import CaptionRequest
from vitbench.requests.drawing import Drawing
from vitbench.runs.children import die_with_parent

_WORTH_A_PROCESS = 10
"""Pictures that take longer than a process takes to import torch and to open a captioner."""
_DOTS_PER_INCH = 200
"""At least: no pixel of a picture is lost. Small pictures (96x96) take a third of the time of 300."""
_MOST = 4
"""Processes; each has a captioner of its own in memory."""


@dataclass(frozen=True)
class Captioned:
    """The figure (PNG) of a picture's caption, or None and a sentence that says why the picture cannot be read."""

    picture: Path
    figure: bytes | None
    problem: str = ""


def caption_figures(
    captioner: str, pictures: Sequence[Path], store: Path, cores: int | None = None
) -> Generator[Captioned]:
    """A figure for each picture, in their order. Raises UserError where the captioner cannot be opened."""
    processes = min(cores or usable_cores(), len(pictures) // _WORTH_A_PROCESS, _MOST)
    if processes < 2:
        caption = _captioning(captioner, store)
        yield from map(caption, pictures)
        return
    # A spawned process, unlike a forked one, has no threads of torch that a fork would have cut off.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(captioner, store)) as pool:
        try:
            yield from pool.map(_caption_here, pictures)
        finally:
            pool.shutdown(cancel_futures=True)


def _captioning(captioner: str, store: Path) -> Callable[[Path], Captioned]:
    sources, drawing = Sources(store), Drawing(dpi=_DOTS_PER_INCH)

    def caption(picture: Path) -> Captioned:
        request = CaptionRequest(captioner=captioner, picture=str(picture.absolute()), by_kind=True)
        try:
            return Captioned(picture, sheet_bytes(compose(request, sources), ".png", drawing))
        except UnreadablePicture as error:
            return Captioned(picture, None, str(error))

    return caption


_here: Callable[[Path], Captioned] | None = None
"""What a process of the pool does; it has one captioner for all its pictures."""


def _begin(captioner: str, store: Path) -> None:
    import torch

    global _here
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; who asked ends the others
    torch.set_num_threads(1)
    _here = _captioning(captioner, store)


def _caption_here(picture: Path) -> Captioned:
    assert _here is not None
    return _here(picture)

"""A contact sheet: augmented samples with their labels, as the network will see them."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from vitbench.captions.data_report import inspect_data
from vitbench.data.augment import Augmentation, augmentation
from vitbench.data.dataset import Dataset
from vitbench.data.index import DataIndex
from vitbench.data.preprocessing import Preprocessing
from vitbench.data.randomness import ORDER, generator
from vitbench.errors import UserError
from vitbench.figures.raster import Picture, enlarge
from vitbench.figures.sheet import Panel, Sheet, in_rows
from vitbench.progress import Progress, silent
from vitbench.requests.studies import ContactSheetRequest
from vitbench.text import counted

if TYPE_CHECKING:
    from vitbench.compose.sources import Sources

ROWS, COLUMNS = 4, 6
CELL = 160
"""The longer side of a picture on the sheet, in pixels."""


def contact_panels(
    index: DataIndex, changes: Augmentation, *, seed: int = 0, epoch: int = 0, split: str = "", cell: int = CELL
) -> tuple[Panel, ...]:
    """ROWS x COLUMNS samples of a split (else train, else everything), drawn and augmented by seed and epoch.

    Another epoch shows the same samples in the same places, so that two sheets show what augmentation does. A file
    that cannot be read any more has no place.
    """
    wanted = split or ("train" if "train" in index.splits else "")
    positions = index.positions(wanted) if wanted else np.arange(len(index.samples))
    dataset = Dataset(index, positions, changes, seed=seed)
    numbers = generator(ORDER, seed).permutation(len(dataset))[: ROWS * COLUMNS]
    pixels, numbers, _ = dataset.pixels(numbers, epoch)
    labels = [index.classes[label] if label >= 0 else "" for label in dataset.labels[numbers]]
    panels = [Panel(_fitted(picture, cell), label) for picture, label in zip(pixels, labels, strict=True)]
    return in_rows(panels, COLUMNS)


def contact_sheet(request: ContactSheetRequest, index: DataIndex) -> Sheet:
    """The sheet of an index that was read as the request asks."""
    changes = augmentation(request.augment, Preprocessing(request.image_size, request.image_size))
    panels = contact_panels(index, changes, seed=request.seed, epoch=request.epoch)
    samples, data = counted(len(panels), "sample"), Path(request.data).name
    caption = f"{samples} of {data}, augmentation {request.augment}, epoch {request.epoch}."
    inputs = {"data": index.fingerprint}
    return Sheet("contact sheet", request.record(), panels, {"data": request.data}, caption, inputs, two_columns=True)


def compose_contact_sheet(request: ContactSheetRequest, sources: "Sources", progress: Progress = silent) -> Sheet:
    """Reads the data again. Raises UserError if they are gone, or hold no labelled pictures."""
    found = inspect_data(request.data, sources.folder, layout=request.layout, progress=progress)
    if found.labels is None:
        raise UserError(f"{request.data} holds captions; a contact sheet is drawn of labelled pictures.")
    return contact_sheet(request, found.labels)


def _fitted(picture: Picture, cell: int) -> Picture:
    """A picture whose longer side is `cell` pixels, or of small ones a whole multiple of theirs: no moire, no blur."""
    height, width = picture.shape[:2]
    scale = cell / max(height, width)
    if scale >= 2:
        return enlarge(picture, int(scale))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))

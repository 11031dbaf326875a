"""The one dialog of every export: where to, as what, how wide and how fine, and with or without the caption."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Checkbox, Input, OptionList, Static
from textual.widgets.option_list import Option

from screens.paths import typed_path
from screens.typed_work import FormDialog
from vitbench.requests.drawing import FIGURE_ENDINGS
from vitbench.text import clean

_TITLES = {
    ".png": "PNG   a picture",
    ".pdf": "PDF   for a paper",
    ".svg": "SVG   for the web",
    ".csv": "CSV   the numbers",
    ".npz": "NPZ   the arrays",
}
_WIDTHS, _RESOLUTIONS = (2.0, 100.0), (30, 1200)


@dataclass(frozen=True)
class Export:
    """What to save: `width` in cm (None is the figure's own), `resolution` in pixels per inch for PNG."""

    file: Path
    width: float | None = None
    resolution: int = 300
    caption: bool = True

    @property
    def ending(self) -> str:
        """The file's ending, which chooses the format."""
        return self.file.suffix.lower()

    def style(self) -> dict[str, Any]:
        """As the drawing processes want it."""
        return {"width_cm": self.width, "dpi": self.resolution, "caption": self.caption}


class Tick(Checkbox):
    """A checkbox that says by its sign, and not by a colour alone, whether it is on; Space turns it."""

    @property
    def _button(self) -> Content:
        return Content("[x]" if self.value else "[ ]")


class ExportDialog(FormDialog[Export]):
    """Asks for an export. Enter in a line saves by the file's ending; a format from the list changes the ending."""

    def __init__(
        self, proposal: Path, what: str = "chart", endings: tuple[str, ...] = (*FIGURE_ENDINGS, ".csv")
    ) -> None:
        """`what` is saved, as one of `endings`: `.csv` or `.npz` only where numbers are behind it."""
        super().__init__()
        self._proposal, self._what, self._endings = proposal, what, endings

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(Text(f"Save the {clean(self._what)} as"), classes="words")
            yield Input(str(self._proposal), id="file", compact=True)
            with Horizontal(id="export-style"):
                yield Static("Width, cm ")
                yield Input(placeholder="as it is", id="width", compact=True)
                yield Static("  Pixels per inch ")
                yield Input("300", id="resolution", compact=True)
                yield Tick("Caption", True, id="caption", compact=True)
            yield OptionList(*(Option(_TITLES[ending], id=ending) for ending in self._endings), compact=True)
            yield Static(id="export-problem")

    def on_mount(self) -> None:
        self.query_one("#file").focus()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self._save(typed_path(self.query_one("#file", Input).value.strip()))

    @on(OptionList.OptionSelected)
    def _format(self, event: OptionList.OptionSelected) -> None:
        file = typed_path(self.query_one("#file", Input).value.strip())
        known = file.suffix.lower() in _TITLES
        self._save(file.with_suffix(event.option_id or "") if known else Path(f"{file}{event.option_id}"))

    def _save(self, file: Path) -> None:
        try:
            if not file.name:
                raise ValueError("Name the file.")
            if file.suffix.lower() not in self._endings:
                raise ValueError(f"End the name in one of {', '.join(self._endings)}.")
            width = self._number("width", "The width", _WIDTHS, "cm")
            resolution = self._number("resolution", "The resolution", _RESOLUTIONS, "pixels per inch")
        except ValueError as error:
            problem = Text(str(error), self.app.theme_variables["error"])
            self.query_one("#export-problem", Static).update(problem)
            return
        self.dismiss(Export(file, width, round(resolution or 300), self.query_one(Checkbox).value))

    def _number(self, name: str, called: str, limits: tuple[float, float], unit: str) -> float | None:
        """The number in a line, None where it is empty. Raises ValueError with a sentence."""
        text = self.query_one(f"#{name}", Input).value.strip().replace(",", ".")
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not limits[0] <= value <= limits[1]:
            raise ValueError(f"{called} is a number from {limits[0]:g} to {limits[1]:g} {unit}.")
        return value

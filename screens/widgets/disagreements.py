"""Pictures that some networks get right and others wrong: what each said, and the picture of the selected row."""

from pathlib import Path

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import OptionList

from screens import wording
from screens.evaluation import split_words
from screens.look import glyphs, series_colour
from screens.widgets.picture_list import PictureList
from vitbench.comparing.rows import Shared
from vitbench.text import counted

_MOST = 2000
"""Rows that are listed; the command writes all."""


class Disagreements(PictureList):
    """Those that only the first gets right come first, then those that it gets wrong; the most confident first."""

    DEFAULT_CSS = "Disagreements { display: none; height: 1fr; }"

    class Opened(PictureList.Opened):
        """The maps of a picture are to be seen."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.shared: Shared | None = None
        self._rows: list[int] = []

    @property
    def current(self) -> int | None:
        """The selected row of the shared answers."""
        index = self.highlighted
        return self._rows[index] if index is not None and index < len(self._rows) else None

    def file(self, row: int) -> Path:
        """The picture of a row of the shared answers."""
        assert self.shared is not None
        return Path(self.shared.answers[0].scored.root) / str(self.shared.files[row])

    def file_of(self, index: int) -> Path | None:
        return self.file(self._rows[index]) if index < len(self._rows) else None

    def show(self, shared: Shared, names: tuple[str, ...], colours: tuple[int, ...]) -> None:
        """Shows what the networks of these names, drawn in these colours, said of the same pictures."""
        self.shared = shared
        found = shared.disagreeing()
        count, pictures = len(found), counted(len(shared.files), "picture")
        if not count:
            self.say(f"The networks are right on the same pictures ({pictures} of the {split_words(shared.split)}).")
            return
        first = shared.answers[0]
        order = sorted(found.tolist(), key=lambda row: (not first.correct[row], -float(first.confidence[row])))
        self._rows = order[:_MOST]
        theme, dark = self.app.theme_variables, self.app.current_theme.dark
        words = f"{split_words(shared.split)}: {counted(count, 'picture')} of {len(shared.files):,} "
        words += "that some get right and others wrong"
        words += f", the first {_MOST:,} below" if count > _MOST else ""
        self.put_words(words)
        width = max(38, self.size.width // 2)
        columns = min(len(shared.answers), max(2, width // 14 - 1))
        room = max(6, min(20, (width - 2) // (columns + 1) - 2))
        head = Text(f"{'True':<{room}}  ", theme["secondary"])
        for name, colour in zip(names[:columns], colours, strict=False):
            head.append(f"{glyphs().legend} {wording.fit_start(name, room - 1)} ", series_colour(colour, dark))
        head.append(f"+{len(names) - columns}" if len(names) > columns else "", theme["secondary"])
        self.put_rows(head, [self._row(row, columns, room) for row in self._rows], 0)
        options = self.query_one(OptionList)
        if not options.has_focus:
            options.focus()

    def _row(self, row: int, columns: int, room: int) -> Text:
        assert self.shared is not None
        theme = self.app.theme_variables
        text = Text(wording.fit(str(self.shared.labels[row]), room) + "  ", no_wrap=True)
        for answers in self.shared.answers[:columns]:
            right = bool(answers.correct[row])
            sign = glyphs().states["finished" if right else "failed"]
            said = f"{sign} {answers.predicted[row]}"
            percent = wording.percent(float(answers.confidence[row]), 0)
            if cell_len(said) + len(percent) + 1 <= room:
                said = f"{said} {percent}"
            text.append(wording.fit(said, room + 1) + " ", theme["success" if right else "error"])
        return text

"""What a report is to hold: where to, which runs beside it, which captioner, network, pictures and method."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from screens.caption_dialogs import captioners
from screens.networks import classifiers
from screens.paths import folders_below, pictures_below, typed_path
from screens.typed_work import FormDialog
from screens.widgets.picker import Choice, Picker, Source, matching, nothing
from vitbench.errors import UserError
from vitbench.methods import METHODS
from vitbench.requests.report import MEASURED, ReportRequest
from vitbench.sweeps.store import all_sweeps
from vitbench.text import clean

if TYPE_CHECKING:
    from screens.app import Workbench
    from screens.snapshot import RunRow

_HELP = (
    "Enter or ^s writes it. Tab goes to what it holds; an empty line means the words that stand in it. Measured: on how"
    " many pictures the maps are judged."
)


@dataclass(frozen=True)
class ReportChoices:
    """The folder, and the values of a `ReportRequest`."""

    folder: Path
    request: dict[str, Any]


class ReportDialog(FormDialog[ReportChoices]):
    """Asks for all that `vitbench report` has options for."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "write", "write", priority=True)]
    DEFAULT_CSS = """
    ReportDialog .folder { height: 1; margin-bottom: 1; }
    ReportDialog .folder Static { width: 10; color: $secondary; }
    ReportDialog .folder Input { width: 1fr; margin: 0; }
    ReportDialog Picker Input { margin: 0; }
    ReportDialog #report-problem { height: auto; }
    ReportDialog .words.last { margin: 1 0 0 0; color: $secondary; }
    """

    def __init__(self, workbench: "Workbench", run: "RunRow", beside: tuple[str, ...]) -> None:
        """`beside` are runs to compare with, as proposed."""
        super().__init__()
        self._workbench, self._run = workbench, run
        self._beside = " ".join(name for name in beside if name != run.id)

    def compose(self) -> ComposeResult:
        own = "" if self._run.task == "caption" else "none"
        with Vertical(classes="dialog wide"):
            yield Static(Text(clean(f'Report on "{self._run.title}"')), classes="words")
            with Horizontal(classes="folder"):
                yield Static("Folder")
                yield Input(str(Path.cwd() / f"report-{self._run.id}"), id="folder", compact=True)
            yield Picker("Compare", self._others, self._beside, "its own sweep, and no other runs", id="compare")
            yield Picker("Captions", self._captioners, "", own or "this run", id="captions")
            yield Picker("Network", self._networks, "", "this run, whose attention is shown", id="attention_model")
            yield Picker("Pictures", _last(pictures_below), "", "some that it got right", id="pictures")
            yield Picker("Masks", folders_below, "", "the run's own data, where they have masks", id="masks")
            yield Picker("Method", self._methods, "", "raw attention", id="method", free=False)
            yield Picker("Measured", nothing, "60", "", id="count")
            yield Static(Text(_HELP), classes="words last")
            yield Static(id="report-problem")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#folder").focus()

    @on(Input.Submitted, "#folder")
    def _submitted(self) -> None:
        self.action_write()

    def action_write(self) -> None:
        """Answers with what stands in the lines, or says what is wrong with them."""
        try:
            folder = typed_path(self.query_one("#folder", Input).value.strip())
            if not folder.name:
                raise UserError("Name the folder.")
            request = self._request()
        except UserError as error:
            problem = Text(clean(str(error)), self.app.theme_variables["error"])
            self.query_one("#report-problem", Static).update(problem)
            return
        self.dismiss(ReportChoices(folder.absolute(), request))

    def _request(self) -> dict[str, object]:
        """The values of a request that are not the default. Raises UserError."""
        values: dict[str, Any] = {
            name: value for name in ("captions", "attention_model", "method") if (value := self._line(name))
        }
        if others := self._line("compare").replace(",", " ").split():
            values["compare"] = others
        try:
            pictures = [str(typed_path(word).absolute()) for word in shlex.split(self._line("pictures"))]
        except ValueError:
            raise UserError("Pictures: a quotation mark is not closed.") from None
        if missing := next((file for file in pictures if not Path(file).is_file()), None):
            raise UserError(f"{missing} is not a picture; name files, with a space between them.")
        if pictures:
            values["pictures"] = pictures
        if masks := self._line("masks"):
            values["masks"] = masks if masks.startswith("scenes:") else str(typed_path(masks).absolute())
        count = self._line("count")
        least, most = MEASURED
        if count and not (count.isascii() and count.isdigit() and least <= int(count) <= most):
            raise UserError(f"Measured is a number of pictures from {least} to {most:,}.")
        if count and int(count) != ReportRequest.model_fields["count"].default:
            values["count"] = int(count)
        request = ReportRequest.read({"run": self._run.id} | values)
        return {"run": request.run} | values

    def _line(self, name: str) -> str:
        return self.query_one(f"#{name}", Picker).value

    def _others(self, typed: str) -> list[Choice]:
        """Runs and sweeps that continue the last word of the line."""
        head, last = _head(typed)
        named = set(head.split())
        runs = reversed(self._workbench.snapshot.runs)
        choices = [
            Choice(run.id, run.state, shown=run.title) for run in runs if run.id != self._run.id and run.id not in named
        ]
        choices += [Choice(sweep.id, "a sweep: all its trials") for sweep in all_sweeps(self._workbench.store)]
        return _after(head, matching(choices, last))

    def _captioners(self, typed: str) -> list[Choice]:
        return captioners(self._workbench.snapshot, self._workbench.store, typed)

    def _networks(self, typed: str) -> list[Choice]:
        return classifiers(self._workbench, typed)

    def _methods(self, typed: str) -> list[Choice]:
        return matching([Choice(name, method.title) for name, method in METHODS.items()], typed)


def _head(typed: str) -> tuple[str, str]:
    """(what stands before the last word, with its space; the last word)."""
    head, space, last = typed.rpartition(" ")
    return head + space, last


def _after(head: str, choices: list[Choice]) -> list[Choice]:
    """Choices for the last word of a line, as values of the whole line."""
    return [Choice(head + one.value, one.note, one.more, one.shown or one.value) for one in choices]


def _last(source: Source) -> Callable[[str], list[Choice]]:
    """A source for the last word of a line of several."""

    def several(typed: str) -> list[Choice]:
        head, last = _head(typed)
        return _after(head, list(source(last)))

    return several

"""A captioner's caption on a picture, word by word: where it looked, in each layer and head, by several methods."""

from pathlib import Path
from typing import Any

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll

from screens.actions import BACK, NEXT_HEAD, PICTURES, Action, bindings, heads
from screens.asking import AskingScreen, checkpoint_words
from screens.caption_keys import CaptionKeys
from screens.caption_view import CaptionSession, CaptionSheet, Written
from screens.navigation import Opening, ScreenDeclaration
from screens.snapshot import Snapshot
from screens.widgets.lines import TextLine
from screens.widgets.note import Note
from screens.widgets.picture import Picture
from screens.widgets.picture_sheet import PictureSheet
from screens.widgets.run_details import Facts
from screens.widgets.words_view import WordsView
from vitbench.errors import UserError
from vitbench.recent import Recent
from vitbench.requests.captions import DEFAULT_BEAMS, CaptionRequest
from vitbench.text import clean

_MOST_KEPT = 50
_MOST_KEPT_BYTES = 32 * 2**20
_NO_DIFFERENCE: dict[str, Any] = {"minus_word": None, "minus_method": None, "minus_captioner": None}


ACTIONS = (
    BACK,
    Action("right", "word(1)", "words", "The next word, and the map behind it.", True, shown="←→"),
    Action("left", "word(-1)", "previous word", "The previous word."),
    Action("up", "layer(1)", "layers", "The next decoder layer; after the last the mean of all.", True, "↑↓"),
    Action("down", "layer(-1)", "layer below", "The layer below; below the first the mean of all."),
    *NEXT_HEAD,
    *heads("head"),
    Action("m", "method", "method", "Another method of making the maps, from a list.", True),
    Action("r", "row", "row", "The row that predicts a word, or the one that reads it."),
    Action("u", "scale", "colours", "One colour scale for all words, or one for each.", True),
    Action("b", "beam", "beam", "The beam's other captions, to choose one.", True),
    Action("t", "edit", "caption", "Edit the caption, or type another one: its maps and probabilities.", True),
    Action("c", "difference", "compare", "Subtract another word's, method's or checkpoint's map.", True),
    Action("e", "export", "export", "Save all words as a figure, or the arrays of all layers and heads.", True),
    Action("ctrl+e", "export_word", "export word", "Save this word's panel as a figure.", shown="^e"),
    *PICTURES,
    Action("N", "captioner", "captioner", "Another captioner: a run, a checkpoint, a folder, a file.", shown="N"),
)
"""What its keys do."""


class CaptionScreen(CaptionKeys, AskingScreen):
    """The map of a word and what is known of it; the bare picture beside it and all words below where there is room.

    The inspector holds the network; `request` says what is looked at, `seen` what came back.
    """

    BINDINGS = bindings(ACTIONS)

    def __init__(self, captioner: str = "demo", path: str = "") -> None:
        """`captioner` is `demo`, `RUN@last`, or a folder or file; `path` a picture or a folder of them."""
        super().__init__()
        self.captioner = captioner
        self.files: tuple[str, ...] = ()
        self.number = 0
        self.request = CaptionRequest(captioner=captioner, picture="-", by_kind=True)
        self.seen: CaptionSheet | None = None
        self.word = 0
        self.beam: tuple[Written, ...] = ()
        self.typed = ""
        self._path = path
        self._kept = Recent(_MOST_KEPT, most_bytes=_MOST_KEPT_BYTES, size=_bytes)
        self._run_seen = (-1, "")
        self._asking = 0

    def body(self) -> ComposeResult:
        yield TextLine(id="title")
        with Horizontal(id="caption-top"):
            yield Picture(id="caption-picture")
            yield Picture(id="caption-map")
            with VerticalScroll(id="caption-side", can_focus=False):
                yield Facts(id="caption-facts")
        yield PictureSheet(id="caption-sheet")
        yield Note(id="note")
        yield WordsView(id="caption-words")

    def on_mount(self) -> None:
        self._show()
        self.find_pictures(self._path)

    def on_resize(self) -> None:
        self._show()

    def apply(self, snapshot: Snapshot) -> None:
        """A run that still trains has a newer checkpoint now and then; it is taken."""
        run_id, _, which = self.captioner.partition("@")
        run = snapshot.run(run_id)
        # A question that is open is not asked again: checkpoints may come faster than answers.
        if run is not None and which == "last" and (run.step, run.state) != self._run_seen and not self._asking:
            self._run_seen = (run.step, run.state)
            self._look_for_newer(run_id)

    @work(thread=True, exclusive=True, group="newest")
    def _look_for_newer(self, run_id: str) -> None:
        try:
            newest = self.workbench.store.find(run_id).checkpoint("last").step
        except (UserError, OSError):
            return
        self.app.call_from_thread(self._newest_is, f"{run_id}@{newest}")

    def _newest_is(self, reference: str) -> None:
        if (self.seen is None or self.seen.request.captioner != reference) and not self._asking:
            self.ask_caption(text=self.typed)

    # Questions to the inspector

    @work(exclusive=True, group="pictures")
    async def find_pictures(self, path: str) -> None:
        """The pictures at a path, else the captioner's own; then the caption on the first."""
        if self.seen is None:
            self._note("Starting the inspector ...")
            session = self.workbench.caption_sessions.get(self.captioner)
            if session is not None and not path:
                self._take_up(session)
                return
        answer = await self._ask("caption_pictures", captioner=self.captioner, path=path)
        if answer is not None and answer.values["files"]:
            self.files, self.number = tuple(answer.values["files"]), int(answer.values["first"])
            self.new_picture()

    def _take_up(self, session: CaptionSession) -> None:
        """Goes on where one was when the screen was left."""
        self.files, self.number, self.request = session.files, session.number, session.request
        self.word = session.word
        self.ask_caption(session.typed, () if session.typed else session.request.ids)

    def action_back(self) -> None:
        """Back to the screen below; where one was is remembered."""
        if self.seen is not None:
            self.workbench.caption_sessions[self.captioner] = CaptionSession(
                self.files, self.number, self.typed, self.request, self.word
            )
        super().action_back()

    def new_picture(self) -> None:
        """The captioner's own caption on the picture that is chosen now."""
        self.word = 0
        self.ask_caption()

    @work(exclusive=True, group="caption")
    async def ask_caption(self, text: str = "", ids: tuple[int, ...] = ()) -> None:
        """The captioner's own caption, or another one, looked at as before."""
        if not self.files:
            return
        own = not text and not ids
        asked = self.request.changed(
            captioner=self.captioner,
            picture=self.files[self.number],
            text=text or None,
            ids=ids,
            best=DEFAULT_BEAMS if own else 1,
            **_NO_DIFFERENCE,
        )
        self._asking += 1
        try:
            seen = await self._sheet_of(asked)
        finally:
            self._asking -= 1
        if seen is not None:
            self.beam = seen.written or self.beam
            self.typed = text
            self.word = min(self.word, len(seen.words) - 1)
            self._take(seen)
        self.apply(self.workbench.snapshot)

    @work(exclusive=True, group="maps")
    async def show_request(self, request: CaptionRequest) -> None:
        """The same caption, looked at in another way."""
        before = self.seen
        seen = await self._sheet_of(request)
        if seen is not None and before is not None and self.seen is not None and self.seen.text == before.text:
            self._take(seen)

    async def _sheet_of(self, request: CaptionRequest) -> CaptionSheet | None:
        """The sheet of a request, asked for if it was not shown lately."""
        pinned = bool(request.ids) and not request.captioner.endswith(("@last", "@best"))
        if pinned and request in self._kept:
            return self._kept.get(request, lambda: None)
        sheet = await self._ask_for_sheet(request, replaces="caption")
        if sheet is None:
            return None
        seen = CaptionSheet(sheet)
        return self._kept.get(seen.request, lambda: seen)

    def _take(self, seen: CaptionSheet) -> None:
        self.seen, self.request = seen, seen.request
        self._show()

    # What is shown

    @property
    def _has_room(self) -> bool:
        """Whether the bare picture and all words fit beside the map."""
        return self.size.width >= 100 and self.size.height >= 34

    def _show(self) -> None:
        """The one place where state reaches widgets."""
        with self.app.batch_update():
            self._show_title()
            seen, room = self.seen, self._has_room
            self.query_one("#caption-picture").display = room
            self.query_one("#caption-sheet").display = room and seen is not None
            if seen is None:
                return
            self.query_one("#caption-picture", Picture).show(seen.picture)
            self.query_one("#caption-map", Picture).show(seen.panel(self.word))
            self.query_one(PictureSheet).show(seen.panels() if room else (), marked=self.word)
            self.query_one(Facts).show(seen.word_facts(self.word))
            minus = seen.request.minus_word
            self.query_one(WordsView).show(seen.cells(), self.word, None if minus is None else minus - 1)
            self._show_note(seen)

    def _show_title(self) -> None:
        colours = self.app.theme_variables
        left = Text.assemble((" Captions ", f"bold {colours['accent']}"))
        if self.files:
            left.append(f" {clean(Path(self.files[self.number]).name)}", colours["foreground"])
            left.append(f"  {self.number + 1:,} of {len(self.files):,}", colours["secondary"])
        named = self.captioner if self.seen is None else self.seen.request.captioner
        run = self.workbench.snapshot.run(named.partition("@")[0])
        if run is not None:
            step = checkpoint_words(named.partition("@")[2])
            newest = "newest checkpoint, " if self.captioner.endswith("@last") else "checkpoint: "
            named = f"{run.title}{', training' if run.state == 'running' else ''}: {newest}{step}"
        self.query_one("#title", TextLine).show(left, Text(f"{clean(named)} ", colours["secondary"]))

    def _show_note(self, seen: CaptionSheet) -> None:
        place = next((n for n, one in enumerate(self.beam) if one.ids == seen.request.ids), None)
        if self.typed:
            said = "typed caption"
        elif place is None:
            said = "caption"
        else:
            said = f"beam's caption {place + 1} of {len(self.beam)}"
        if seen.unknown:
            self._note(seen.unknown, "warning")
        elif seen.warnings:
            self._note(seen.warnings[0], "warning")
        else:
            words = f"{said}, log-probability {seen.log_probability:.2f}; bars: entropy, then peak"
            why = seen.why(self.word)
            self._note(f"{words}; {why}" if why else words)

    def action_word(self, step: int) -> None:
        """The next word, or the one before; after the last comes the first."""
        if self.seen is not None:
            self.word = (self.word + step) % len(self.seen.words)
            self._show()

    @on(WordsView.Moved)
    def _clicked(self, message: WordsView.Moved) -> None:
        self.word = message.word
        self._show()


def _bytes(seen: object) -> int:
    """What a sheet takes in memory, about."""
    assert isinstance(seen, CaptionSheet)
    return sum(panel.picture.nbytes for panel in seen.sheet.panels)


SCREEN = ScreenDeclaration(
    name="captions",
    title="Captions",
    help="A captioner's captions, and where each word looks.",
    screen=CaptionScreen,
    actions=ACTIONS,
    opened=Opening("runs", "w", alone="W"),
    order=80,
)

"""A captioner's sentence on a picture, word by word: where it looked, in each layer and head, by several methods."""

from pathlib import Path

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll

from screens import wording
from screens.actions import bindings
from screens.ask_dialog import AskDialog
from screens.asking import AskingScreen
from screens.caption_dialogs import ChooseDialog, SaveDialog, SentenceDialog, captioners
from screens.caption_view import CaptionSession, Maps, Reference, Sentence, panel, word_facts
from screens.paths import pictures_below
from screens.snapshot import Snapshot
from screens.widgets.lines import Line
from screens.widgets.note import Note
from screens.widgets.picker import Choice
from screens.widgets.picture import Picture
from screens.widgets.run_details import Facts
from screens.widgets.words_view import WordsView
from vitbench.errors import UserError
from vitbench.requests.captions import WORD_METHODS, CaptionRequest
from vitbench.text import clean

_KEPT_MAPS = 200


class CaptionScreen(AskingScreen):
    """Picture left, facts right, sentence below. The inspector holds the network; here are its answers."""

    BINDINGS = bindings("captions")

    def __init__(self, captioner: str = "demo", path: str = "") -> None:
        """`captioner` is `demo`, `RUN@last`, or a folder or file; `path` a picture or a folder of them."""
        super().__init__()
        self.captioner = captioner
        self.files: tuple[str, ...] = ()
        self.number = 0
        self.sentence: Sentence | None = None
        self.maps: Maps | None = None
        self.request = CaptionRequest(captioner=captioner, picture="-")
        self.word = 0
        self.one_scale = False
        self.reference: Reference | None = None
        self._typed = ""
        self._path = path
        self._beam: tuple[tuple[str, tuple[int, ...], float], ...] = ()
        self._kept: dict[CaptionRequest, Maps] = {}
        self._seen = (-1, "")
        self._asking = 0

    def body(self) -> ComposeResult:
        yield Line(id="title")
        with Horizontal(id="caption-top"):
            yield Picture(id="caption-picture")
            with VerticalScroll(id="caption-side", can_focus=False):
                yield Facts(id="caption-facts")
        yield Note(id="note")
        yield WordsView(id="caption-words")

    def on_mount(self) -> None:
        self._show()
        self._find_pictures(self._path)

    def apply(self, snapshot: Snapshot) -> None:
        """A run that still trains has a newer checkpoint now and then; it is taken."""
        run_id, _, which = self.captioner.partition("@")
        run = snapshot.run(run_id)
        # A question that is open is not asked again: checkpoints may come faster than answers.
        if run is not None and which == "last" and (run.step, run.state) != self._seen and not self._asking:
            self._seen = (run.step, run.state)
            self._look_for_newer(run_id)

    @work(thread=True, exclusive=True, group="newest")
    def _look_for_newer(self, run_id: str) -> None:
        try:
            newest = self.workbench.store.find(run_id).checkpoint("last").step
        except (UserError, OSError):
            return
        self.app.call_from_thread(self._newest_is, f"{run_id}@{newest}")

    def _newest_is(self, reference: str) -> None:
        if (self.sentence is None or self.sentence.captioner != reference) and not self._asking:
            self._ask_sentence(text=self._typed)

    # Questions to the inspector

    @work(exclusive=True, group="pictures")
    async def _find_pictures(self, path: str) -> None:
        if self.sentence is None:
            self._note("Starting the inspector ...")
            session = self.workbench.caption_sessions.get(self.captioner)
            if session is not None and not path:
                self._take_up(session)
                return
        answer = await self._ask("caption_pictures", captioner=self.captioner, path=path)
        if answer is not None and answer.values["files"]:
            self.files, self.number = tuple(answer.values["files"]), int(answer.values["first"])
            self._new_picture()

    def _take_up(self, session: CaptionSession) -> None:
        """Goes on where one was when the screen was left."""
        self.files, self.number, self.request = session.files, session.number, session.request
        self.word, self.one_scale = session.word, session.one_scale
        self._ask_sentence(session.typed, () if session.typed else session.request.ids)

    def action_back(self) -> None:
        """Back to the screen below; where one was is remembered."""
        if self.sentence is not None:
            self.workbench.caption_sessions[self.captioner] = CaptionSession(
                self.files, self.number, self._typed, self.request, self.word, self.one_scale
            )
        super().action_back()

    def _new_picture(self) -> None:
        self.word, self.reference, self._typed = 0, None, ""
        self._ask_sentence()

    @work(exclusive=True, group="sentence")
    async def _ask_sentence(self, text: str = "", ids: tuple[int, ...] = ()) -> None:
        """The captioner's own sentence, or another one; then its maps."""
        if not self.files:
            return
        self._asking += 1
        try:
            await self._sentence_and_maps(text, ids)
        finally:
            self._asking -= 1
        self.apply(self.workbench.snapshot)

    async def _sentence_and_maps(self, text: str, ids: tuple[int, ...]) -> None:
        picture = self.files[self.number]
        asked = CaptionRequest.read({"captioner": self.captioner, "picture": picture, "text": text or None, "ids": ids})
        answer = await self._ask("caption", request=asked.record())
        if answer is None:
            return
        sentence = Sentence.of(answer)
        request = sentence.possible(
            self.request, captioner=sentence.captioner, picture=picture, ids=sentence.ids, text=None
        )
        maps = await self._maps_of(request)
        if maps is not None:
            if sentence.sentences:
                self._beam = sentence.sentences
            if self.sentence is None or self.sentence.words != sentence.words:
                self.reference = None
            self.sentence, self.maps, self.request = sentence, maps, request
            self._typed = text
            self.word = min(self.word, len(sentence.words) - 1)
            self._show()

    async def _maps_of(self, request: CaptionRequest) -> Maps | None:
        if request not in self._kept:
            answer = await self._ask("caption_maps", request=request.record())
            if answer is None:
                return None
            self._kept[request] = Maps.of(answer)
            while len(self._kept) > _KEPT_MAPS:
                self._kept.pop(next(iter(self._kept)))
        return self._kept[request]

    @work(exclusive=True, group="maps")
    async def _look(self, request: CaptionRequest) -> None:
        """The same sentence, looked at in another way."""
        sentence = self.sentence
        if sentence is None:
            return
        maps = await self._maps_of(request)
        if maps is not None and sentence is self.sentence:
            self.request, self.maps = request, maps
            self._show()

    # What is shown

    def _show(self) -> None:
        """The one place where state reaches widgets."""
        with self.app.batch_update():
            self._show_title()
            if self.sentence is None or self.maps is None:
                return
            sentence, maps = self.sentence, self.maps
            pixels = panel(sentence, maps, self.word, one_scale=self.one_scale, reference=self.reference)
            self.query_one(Picture).show(pixels)
            facts = word_facts(
                sentence, maps, self.request, self.word, one_scale=self.one_scale, reference=self.reference
            )
            self.query_one(Facts).show(facts)
            marked = None if self.reference is None else self.reference.word
            self.query_one(WordsView).show(maps.cells(sentence.words), self.word, marked)
            self._show_note(sentence, maps)

    def _show_title(self) -> None:
        colours = self.app.theme_variables
        left = Text.assemble((" Captions ", f"bold {colours['accent']}"))
        if self.files:
            left.append(f" {clean(Path(self.files[self.number]).name)}", colours["foreground"])
            left.append(f"  {self.number + 1} of {len(self.files):,}", colours["secondary"])
        named = self.captioner if self.sentence is None else self.sentence.captioner
        run = self.workbench.snapshot.run(named.partition("@")[0])
        if run is not None:
            step = named.partition("@")[2]
            newest = "newest checkpoint, step" if self.captioner.endswith("@last") else "checkpoint of step"
            named = f"{run.title}{', training' if run.state == 'running' else ''}: {newest} {step}"
        self.query_one("#title", Line).show(left, Text(f"{clean(named)} ", colours["secondary"]))

    def _show_note(self, sentence: Sentence, maps: Maps) -> None:
        total = float(maps.log_probs.sum())
        place = next((n for n, (_, ids, _) in enumerate(self._beam) if ids == sentence.ids), None)
        if self._typed:
            said = "typed sentence"
        elif place is None:
            said = "sentence"
        else:
            said = f"beam's sentence {place + 1} of {len(self._beam)}"
        if sentence.unknown:
            words = ", ".join(sentence.unknown)
            self._note(f"not in the vocabulary, so read as <unknown>: {words}", "warning")
        elif maps.warnings:
            self._note(maps.warnings[0], "warning")
        else:
            self._note(f"{said}, log-probability {total:.2f}; bars: entropy, peak")

    # Words, layers, heads, methods

    def action_word(self, step: int) -> None:
        if self.sentence is not None:
            self.word = (self.word + step) % len(self.sentence.words)
            self._show()

    @on(WordsView.Moved)
    def _clicked(self, message: WordsView.Moved) -> None:
        self.word = message.word
        self._show()

    def action_layer(self, step: int) -> None:
        """The next layer up or down; below the first is the mean of all."""
        sentence, request = self.sentence, self.request
        if sentence is None or self._lacks(WORD_METHODS[request.method].has_layers, "layers"):
            return
        self._look(request.changed(layer=((request.layer or 0) + step) % (sentence.layers + 1) or None))

    def action_next_head(self, step: int) -> None:
        if self.sentence is not None:
            self.action_head(((self.request.head or 0) + step) % (self.sentence.heads + 1))

    def action_head(self, number: int) -> None:
        """Head `number`, counted from 1; 0 is the mean of all."""
        sentence = self.sentence
        if sentence is None or self._lacks(WORD_METHODS[self.request.method].has_heads, "heads"):
            return
        if number > sentence.heads:
            self._note(f"There are {sentence.heads} heads.", "warning")
            return
        self._look(self.request.changed(head=number or None))

    def _lacks(self, has: bool, what: str) -> bool:
        if not has:
            self._note(f"This method takes all {what} together; m chooses another one.", "warning")
        return not has

    def action_method(self, step: int = 1) -> None:
        if self.sentence is not None:
            names = list(WORD_METHODS)
            chosen = names[(names.index(self.request.method) + step) % len(names)]
            self._look(self.sentence.possible(self.request, method=chosen))

    def action_row(self) -> None:
        self._look(self.request.changed(row="reading" if self.request.row == "predicting" else "predicting"))

    def action_scale(self) -> None:
        self.one_scale = not self.one_scale
        self._show()

    # Sentences

    def action_beam(self) -> None:
        """The beam's sentences, to choose one."""
        if not self._beam:
            return
        lines = [f"{score:8.3f}  {text}" for text, _, score in self._beam]

        def chosen(number: int | None) -> None:
            if number is not None:
                self._ask_sentence(ids=self._beam[number][1])

        here = next((n for n, (_, ids, _) in enumerate(self._beam) if self.sentence and ids == self.sentence.ids), 0)
        self.app.push_screen(
            ChooseDialog("The beam's captions, with their log-probability over the length penalty", lines, here), chosen
        )

    def action_edit(self) -> None:
        """Another sentence on the same picture."""

        def answered(text: str | None) -> None:
            if text is not None:
                self._ask_sentence(text=text)

        self.app.push_screen(SentenceDialog(self.sentence.text if self.sentence else ""), answered)

    # Differences

    def action_difference(self) -> None:
        """Off if a difference is shown; else asks what is to be taken from the map under the cursor."""
        if self.reference is not None:
            self.reference = None
            self._show()
            return
        if self.sentence is None or self.maps is None:
            return
        sentence = self.sentence
        request = self.request
        others = [name for name in WORD_METHODS if name != request.method]
        lines = [f"The map of this word, {sentence.words[self.word]}, from the map of each word that you move to"]
        lines += [f"The map by another method: {WORD_METHODS[name].title}" for name in others]
        lines.append("The map by another checkpoint or captioner ...")

        def chosen(number: int | None) -> None:
            if number == 0:
                self._keep_word()
            elif number is not None and number <= len(others):
                self._compare(sentence.possible(request, method=others[number - 1]))
            elif number is not None:
                self.app.push_screen(AskDialog("The captioner to compare with", self._captioners), self._other)

        self.app.push_screen(ChooseDialog("Show a difference: take away", lines), chosen)

    def _keep_word(self) -> None:
        if self.sentence is not None and self.maps is not None:
            title = f"the map of {self.sentence.words[self.word]}"
            self.reference = Reference(title, self.maps.maps, self.word, {"minus_word": self.word + 1})
            self.action_word(1)

    def _other(self, captioner: str | None) -> None:
        if captioner:
            self._compare(self.request.changed(captioner=captioner))

    @work(exclusive=True, group="difference")
    async def _compare(self, other: CaptionRequest) -> None:
        """The same sentence's maps by another method or network, as what is taken away."""
        sentence, maps = self.sentence, self.maps
        if sentence is None or maps is None:
            return
        same = other.captioner == sentence.captioner
        theirs = await self._maps_of(other if same else other.changed(ids=[], text=sentence.text))
        if theirs is None or sentence is not self.sentence:
            return
        if theirs.words != sentence.words or theirs.maps.shape != maps.maps.shape:
            self._note(f"{other.captioner} splits the picture or the sentence differently: no difference.", "warning")
            return
        title = WORD_METHODS[other.method].title if same else other.captioner
        minus = {"minus_method": other.method} if same else {"minus_captioner": other.captioner}
        self.reference = Reference(title, theirs.maps, None, minus)
        self._show()

    # Pictures, captioners, files

    def action_picture(self, step: int) -> None:
        if self.files:
            self.number = (self.number + step) % len(self.files)
            self._new_picture()

    def action_open(self) -> None:
        """Any picture, or a folder of them."""
        start = f"{Path(self.files[self.number]).parent}/" if self.files else ""

        def answered(path: str | None) -> None:
            if path:
                self._find_pictures(path)

        self.app.push_screen(AskDialog("A picture, or a folder of pictures", pictures_below, start), answered)

    def action_captioner(self) -> None:
        """Another captioner on the same picture."""

        def answered(captioner: str | None) -> None:
            if captioner:
                self.captioner, self.reference = captioner, None
                self._ask_sentence(text=self._typed)

        self.app.push_screen(AskDialog("The captioner", self._captioners), answered)

    def _captioners(self, typed: str) -> list[Choice]:
        return captioners(self.workbench.snapshot, self.workbench.store, typed)

    def action_export(self) -> None:
        """Grid, panel or arrays, as files."""
        if self.sentence is None:
            return
        folder = self._figures_folder(self.captioner, "captions")

        def answered(choice: tuple[str, Path] | None) -> None:
            if choice is not None:
                self._save(*choice)

        self.app.push_screen(SaveDialog(folder, self.sentence.words[self.word]), answered)

    @work(group="save")
    async def _save(self, what: str, folder: Path) -> None:
        """The figure of what is shown (of all words, or of this one alone), or the arrays."""
        assert self.sentence is not None
        stem, words = Path(self.files[self.number]).stem, self.sentence.words
        if what == "arrays":
            answer = await self._ask("caption_arrays", request=self.request.record(), file=str(folder / f"{stem}.npz"))
            file = None if answer is None else str(answer.values["file"])
            if file is not None:
                self._note_saved(file)
        else:
            shown = {"one_scale": self.one_scale, **({} if self.reference is None else self.reference.asked)}
            request, name = self.request.changed(**shown), f"{stem}.png"
            if what == "panel":
                letters = "".join(letter for letter in words[self.word] if letter.isalnum()) or "mark"
                request, name = request.changed(word=self.word + 1), f"{stem}-{self.word + 1:02d}-{letters}.png"
            file = await self._save_sheet(request, folder / name)
        if file is not None:
            self.workbench.tell(f"Saved {wording.fit_start(file, 64).strip()}")

"""The keys of the captions screen: layers, heads and methods, other captions, differences, pictures and files."""

from pathlib import Path

from textual import work

from screens.ask_dialog import AskDialog, choose
from screens.asking import AskingScreen
from screens.caption_dialogs import CaptionDialog, captioners
from screens.caption_view import CaptionSheet, Written
from screens.widgets.picker import Choice
from vitbench.requests.captions import WORD_METHODS, CaptionRequest
from vitbench.text import counted

_BY_KIND = "by kind"


class CaptionKeys(AskingScreen):
    """What keys change of the `request` that the screen looks by."""

    captioner: str
    files: tuple[str, ...]
    number: int
    request: CaptionRequest
    seen: CaptionSheet | None
    word: int
    beam: tuple[Written, ...]
    typed: str

    def ask_caption(self, text: str = "", ids: tuple[int, ...] = ()) -> object:
        """Asks for the captioner's own caption, or for another one."""
        raise NotImplementedError  # the screen has it

    def show_request(self, request: CaptionRequest) -> object:
        """Asks for the same caption, looked at in another way."""
        raise NotImplementedError  # the screen has it

    def find_pictures(self, path: str) -> object:
        """Asks for the pictures at a path."""
        raise NotImplementedError  # the screen has it

    def new_picture(self) -> None:
        """Asks for the captioner's own caption on the picture that is chosen now."""
        raise NotImplementedError  # the screen has it

    # Layers, heads, methods

    def action_layer(self, step: int) -> None:
        """The next layer up or down; below the first is the mean of all."""
        seen, request = self.seen, self.request
        if seen is not None and self._has(WORD_METHODS[request.method].has_layers, "layers"):
            layer = ((request.layer or 0) + step) % (seen.layers + 1) or None
            self.show_request(request.changed(layer=layer, by_kind=False))

    def action_next_head(self, step: int) -> None:
        """The next head; before the first is the mean of all."""
        if self.seen is not None:
            self.action_head(((self.request.head or 0) + step) % (self.seen.heads + 1))

    def action_head(self, number: int) -> None:
        """Head `number`, counted from 1; 0 is the mean of all."""
        seen = self.seen
        if seen is None or not self._has(WORD_METHODS[self.request.method].has_heads, "heads"):
            return
        if number > seen.heads:
            self._note(f"The layer has {counted(seen.heads, 'head')}.", "warning")
        else:
            self.show_request(self.request.changed(head=number or None, by_kind=False))

    def _has(self, has: bool, what: str) -> bool:
        if not has:
            self._note(f"This method takes all {what} together; m chooses another one.", "warning")
        return has

    def action_method(self) -> None:
        """Another method of making the maps, from a list."""
        seen = self.seen
        if seen is None:
            return
        here = self.request.method
        methods = sorted(WORD_METHODS.values(), key=lambda method: (method.name == here, method.slow))
        choices = [Choice(method.name, _about(method.name, here), shown=method.title) for method in methods]
        if not self.request.by_kind:
            about = "as measured at the end of its training"
            choices.insert(0, Choice(_BY_KIND, about, shown="cross-attention, each kind of word by its best head"))

        def chosen(name: str | None) -> None:
            if name == _BY_KIND:
                self.show_request(seen.possible(self.request, method="raw", layer=None, head=None, by_kind=True))
            elif name is not None:
                self.show_request(seen.possible(self.request, method=name))

        self.app.push_screen(choose("The method of making the maps", choices), chosen)

    def action_row(self) -> None:
        """The row that predicts a word, or the one that reads it."""
        if self.seen is not None:
            self.show_request(self.request.changed(row="reading" if self.request.row == "predicting" else "predicting"))

    def action_scale(self) -> None:
        """One colour scale for all words, or one for each."""
        if self.seen is not None:
            self.show_request(self.request.changed(one_scale=not self.request.one_scale))

    # Captions

    def action_beam(self) -> None:
        """The beam's captions, to choose one."""
        if not self.beam:
            return
        choices = [Choice(str(number), f"{one.score:.3f}", shown=one.text) for number, one in enumerate(self.beam)]

        def chosen(number: str | None) -> None:
            if number is not None:
                self.ask_caption(ids=self.beam[int(number)].ids)

        self.app.push_screen(choose("The beam's captions, with log-probability over length penalty", choices), chosen)

    def action_edit(self) -> None:
        """Another caption on the same picture; Tab completes the words that the captioner knows."""

        def answered(text: str | None) -> None:
            if text is not None:
                self.ask_caption(text=text)

        dialog = CaptionDialog(self.seen.text if self.seen else "")
        self.app.push_screen(dialog, answered)
        self._offer_words(dialog)

    @work(exclusive=True, group="words")
    async def _offer_words(self, dialog: CaptionDialog) -> None:
        answer = await self._ask("caption_words", quiet=True, captioner=self.captioner)
        if answer is not None:
            dialog.offer(answer.values["words"])

    # Differences

    def action_difference(self) -> None:
        """Off if a difference is shown; else asks what is to be taken from the map under the cursor."""
        seen, request = self.seen, self.request
        if seen is None:
            return
        if seen.facts["minus"]:
            self.show_request(request.changed(minus_word=None, minus_method=None, minus_captioner=None))
            return
        word = f"the map of {seen.words[self.word]}, from that of each word that you move to"
        choices = [
            Choice("word", word, shown="This word"),
            *(
                Choice(method.name, "its map of the same word", shown=method.title)
                for method in WORD_METHODS.values()
                if method.name != request.method
            ),
            Choice("captioner", "its map of the same word", shown="Another checkpoint or captioner ..."),
        ]

        def chosen(value: str | None) -> None:
            if value == "word":
                self.show_request(request.changed(minus_word=self.word + 1))
                self.word = (self.word + 1) % len(seen.words)
            elif value == "captioner":
                self.app.push_screen(AskDialog("The captioner to compare with", self._captioners), other)
            elif value is not None:
                self.show_request(request.changed(minus_method=value))

        def other(captioner: str | None) -> None:
            if captioner:
                self.show_request(request.changed(minus_captioner=captioner))

        self.app.push_screen(choose("Subtract from the map", choices), chosen)

    # Pictures, captioners, files

    def action_picture(self, step: int) -> None:
        """The next picture, or the one before."""
        if self.files:
            self.number = (self.number + step) % len(self.files)
            self.new_picture()

    def action_open(self) -> None:
        """Any picture, or a folder of them."""
        self._ask_pictures(self.files[self.number] if self.files else None, self.find_pictures)

    def action_captioner(self) -> None:
        """Another captioner on the same picture."""

        def answered(captioner: str | None) -> None:
            if captioner:
                self.captioner = captioner
                by_kind = self.request.method == "raw"
                self.request = self.request.changed(layer=None, head=None, by_kind=by_kind)
                self.ask_caption(text=self.typed)

        self.app.push_screen(AskDialog("The captioner", self._captioners), answered)

    def _captioners(self, typed: str) -> list[Choice]:
        return captioners(self.workbench.snapshot, self.workbench.store, typed)

    def action_export(self) -> None:
        """Saves all words as a figure, or the numbers of all layers and heads."""
        if self.seen is not None:
            self._export_sheet(self.seen.request, self._proposal(""), arrays=True)

    def action_export_word(self) -> None:
        """Saves the panel of this word alone."""
        if self.seen is not None:
            letters = "".join(letter for letter in self.seen.words[self.word] if letter.isalnum()) or "mark"
            request = self.seen.request.changed(word=self.word + 1)
            self._export_sheet(request, self._proposal(f"-{self.word + 1:02d}-{letters}"))

    def _proposal(self, what: str) -> Path:
        folder = self._figures_folder(self.captioner, "captions")
        return folder / f"{Path(self.files[self.number]).stem}{what}.png"


def _about(name: str, here: str) -> str:
    """What stands beside a method in the list."""
    method = WORD_METHODS[name]
    words = ["shown now"] if name == here else []
    if method.has_layers:
        words.append("of each layer and head" if method.has_heads else "of each layer")
    if method.slow:
        words.append("takes long")
    return ", ".join(words)

"""What an empty store shows: what one can do, each by one key, and what this machine has."""

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from vitbench.doctor.finding import Finding
from vitbench.text import clean

STEPS = (
    ("1", "train the demo", "generated pictures, in minutes"),
    ("2", "train on a folder of your own", "folders, CSV or named files"),
    ("3", "look inside the package's network", "what it sees in sample pictures"),
    ("4", "see what this machine has", "as `vitbench doctor` in a shell"),
)
"""Key, what it does, and what that means."""


class Welcome(VerticalScroll, can_focus=False):
    """The first screen of a new store."""

    DEFAULT_CSS = """
    Welcome { display: none; height: 1fr; padding: 1 2; scrollbar-size-vertical: 1; }
    Welcome Static { height: auto; }
    """

    def compose(self) -> ComposeResult:
        yield Static(id="welcome-steps")
        yield Static(id="welcome-machine")

    def show(self) -> None:
        """Writes the steps in the theme's colours."""
        colours = self.app.theme_variables
        text = Text.assemble(("No runs yet. Press a key to:\n", Style(color=colours["foreground"], bold=True)))
        for key, title, said in STEPS:
            text.append(f"\n  {key}  ", Style(color=colours["accent"], bold=True))
            text.append(f"{title:<35}", Style(color=colours["foreground"]))
            text.append(said, Style(color=colours["secondary"]))
        text.append("\n\n  ?  ", Style(color=colours["accent"], bold=True))
        text.append("all keys", Style(color=colours["foreground"]))
        self.query_one("#welcome-steps", Static).update(text)

    def show_machine(self, findings: list[Finding] | None) -> None:
        """What was found, one line each, with what to do where something is not fine; None while it is looked for."""
        from rich.console import Group
        from rich.table import Table

        colours = self.app.theme_variables
        head = Text("\nLooking at this machine ..." if findings is None else "\nThis machine", colours["foreground"])
        rows = Table.grid(padding=(0, 2))
        for finding in findings or ():
            words = Text(clean(finding.words), colours["foreground"])
            if finding.advice:
                words.append(f"  {clean(finding.advice)}", colours["error" if finding.serious else "warning"])
            rows.add_row(Text(f"  {clean(finding.topic)}", colours["secondary"]), words)
        self.query_one("#welcome-machine", Static).update(Group(head, rows))

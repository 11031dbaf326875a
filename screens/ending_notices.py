"""Notices runs that end while the app is open, and says which ended while nobody looked."""

import time
from typing import TYPE_CHECKING

from screens.endings import ended_since, in_words
from screens.snapshot import BROKEN_STATES, LIVE_STATES, Snapshot
from vitbench.errors import UserError
from vitbench.settings import ENDS, read_settings

if TYPE_CHECKING:
    from screens.app import Workbench

_LOOK_NOTED = 60
"""Seconds between two notes of when the app was last looked at."""


class EndingNotices:
    """Compares each snapshot with the one before."""

    def __init__(self, app: "Workbench") -> None:
        self._app = app
        self.states: dict[str, str] | None = None
        """The state of each run by its id, as last seen; None before the first look."""
        self.words = ""
        """What has ended since the app was last open, until a run is opened or Escape pressed."""

    def poll(self, snapshot: Snapshot) -> None:
        """Says when a run ends; one that died is offered to be resumed. A store that is not read whole yet waits."""
        if snapshot.left:
            return
        remembered = self._app.remembered
        states = {run.id: run.state for run in snapshot.runs}
        before, self.states = self.states, states
        if before is None:
            since = remembered.number("last_look")
            self.words = in_words(ended_since(snapshot.runs, since)) if since else ""
        seen = remembered.texts("seen_crashes")
        for run in snapshot.runs:
            was = None if before is None else before.get(run.id)
            if was == run.state:
                continue
            crashed_away = before is None and run.state == "crashed" and run.id not in seen
            if crashed_away or (was in LIVE_STATES and run.state in BROKEN_STATES):
                self._notice_crash(run.id)
            elif was == "running" and run.state == "finished":
                self._app.tell(f"{run.title} has finished: {run.spoken_score or 'not evaluated'}.")
            if was in LIVE_STATES and run.state in ENDS:
                self._ring(f"{run.title} is {run.state}")
        remembered.set("last_look", str(int(time.time()) // _LOOK_NOTED * _LOOK_NOTED))

    def _ring(self, words: str) -> None:
        """The terminal's bell and notice, unless the person's settings say otherwise."""
        try:
            wanted = read_settings().bell
        except UserError as error:
            self._app.tell(str(error), "warning")
            return
        if wanted:
            self._app.ring(words)

    def _notice_crash(self, run_id: str) -> None:
        from screens.dialogs import CrashNotice

        self._app.remembered.add("seen_crashes", run_id)
        self._app.push_screen(CrashNotice(run_id))

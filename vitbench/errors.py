"""The one exception for what a person can cause and mend."""

from vitbench.text import shortened

_LONGEST = 2500


class UserError(Exception):
    """A person's mistake, or a condition that a person can mend.

    The message is one clear sentence: what is wrong, where (file, line, key), and what to do.
    `vitbench.cli` prints it without a traceback and exits with code 2; a screen shows it as a notice.
    What it repeats of a file (a key, a name) may have any length, so the middle of a long message is left out.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(shortened(message, _LONGEST))


class NoSuchRun(UserError):
    """No run of the store is called so; who would take something else too says all that it would take."""

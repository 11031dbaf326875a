"""The one exception for what a person can cause and mend."""


class UserError(Exception):
    """A person's mistake, or a condition that a person can mend.

    The message is one clear sentence: what is wrong, where (file, line, key), and what to do.
    `vitbench.cli` prints it without a traceback and exits with code 2; a screen shows it as a notice.
    """

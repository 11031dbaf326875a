"""Whether a terminal shows more signs than ASCII has."""

import os
from collections.abc import Mapping


def wants_ascii(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal has no Unicode: `VITBENCH_ASCII` decides, else a locale that is set and is not UTF-8.

    Python itself sets LC_CTYPE=C.UTF-8 when LANG is C (PEP 538), which says nothing about the terminal.
    """
    if chosen := environment.get("VITBENCH_ASCII"):
        return chosen != "0"
    if environment.get("TERM") in ("dumb", "vt100", "vt102", "vt220"):
        return True
    names = [environment.get("LC_ALL", ""), environment.get("LC_CTYPE", ""), environment.get("LANG", "")]
    if names[1] == "C.UTF-8" and names[2] in ("C", "POSIX"):
        names[1] = ""
    locale = next((name for name in names if name), "")
    return bool(locale) and not any(word in locale.lower() for word in ("utf-8", "utf8"))

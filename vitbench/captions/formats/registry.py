"""All formats of captions, and the one that fits; refusals and help texts come from their phrases."""

from pathlib import PurePosixPath

from vitbench.captions.formats.base import CaptionFormat, CaptionPlace, Recognised
from vitbench.data.layouts.base import Declined, NotRecognised
from vitbench.data.layouts.place import listed
from vitbench.declarations import Declarations
from vitbench.errors import UserError
from vitbench.nearest import perhaps

CAPTION_FORMATS = Declarations(
    "caption format", CaptionFormat, "vitbench.captions.formats", "FORMAT", lambda one: -one.priority
)
"""Each is one file here, or comes with an installed package; in the order in which they are tried."""


def formats() -> tuple[CaptionFormat, ...]:
    """All formats, in the order in which they are tried."""
    return tuple(CAPTION_FORMATS.values())


def format_names() -> tuple[str, ...]:
    """What --as takes."""
    return tuple(one.name for one in formats())


def phrases() -> str:
    """What vitbench reads, for a refusal or a help text."""
    names = [one.phrase for one in formats()]
    return f"{', '.join(names[:-1])}, or {names[-1]}"


def recognise_captions(place: CaptionPlace, chosen: str = "") -> Recognised:
    """What a folder or file holds. Raises UserError with what was found and what is missing, if nothing fits."""
    known = {one.name: one for one in formats()}
    if chosen and chosen not in known:
        raise UserError(f"There is no caption format {chosen!r}{perhaps(chosen, known)}; there are {listed(known)}.")
    declined: dict[str, Declined] = {}
    for one in [known[chosen]] if chosen else formats():
        found = one.recognise(place)
        if isinstance(found, Recognised):
            return found
        declined[one.name] = found
    given = place.file or place.root
    if chosen:
        raise UserError(f"{given} cannot be read as {chosen} ({known[chosen].phrase}): {declined[chosen].reason}.")
    near = "; ".join(why.reason for why in declined.values() if why.near)
    is_sure = bool(near)
    near = near or _files_there(place)
    found_text = f" ({near})" if near else ""
    if place.file is not None:
        raise NotRecognised(
            f"{given} is in no known caption format{found_text}: vitbench reads {phrases()}.", near, is_sure
        )
    raise NotRecognised(
        f"{given} holds captions in no known format{found_text}: vitbench reads {phrases()}.", near, is_sure
    )


_ADVICE = {
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), "is a spreadsheet: save it as CSV"),
    **dict.fromkeys((".pkl", ".pickle", ".npy", ".npz", ".pt"), "holds Python's objects: write them as CSV or JSON"),
    **dict.fromkeys((".parquet", ".arrow", ".h5", ".hdf5"), "holds tables for programs: write them as CSV or JSON"),
    **dict.fromkeys((".zip", ".tar", ".gz", ".rar", ".7z"), "is packed: unpack it"),
    **dict.fromkeys((".docx", ".doc", ".odt", ".pdf"), "is a document: save its text as CSV of image and caption"),
}


def _files_there(place: CaptionPlace) -> str:
    """Files beside the pictures that may hold captions, with what to do."""
    known = [name for name in place.others if PurePosixPath(name).suffix.lower() in _ADVICE]
    if known:
        return f"{known[0]} {_ADVICE[PurePosixPath(known[0]).suffix.lower()]}"
    others = [name for name in place.others if name.count("/") < 2]
    return f"beside the pictures are {listed(others[:3])}, which do not say which picture is meant" if others else ""

"""The one place where screens are opened. A screen's module is imported when it is first asked for."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from screens.base import WorkbenchScreen

SCREENS: dict[str, str] = {
    "runs": "screens.runs_screen:RunsScreen",
    "run": "screens.run_screen:RunScreen",
    "compare": "screens.compare_screen:CompareScreen",
    "attention": "screens.attention_screen:AttentionScreen",
    "positions": "screens.positions_screen:PositionsScreen",
    "features": "screens.features_screen:FeaturesScreen",
    "captions": "screens.caption_screen:CaptionScreen",
    "new_run": "screens.new_run_screen:NewRunScreen",
}
"""Name of a screen: module and class. The class is called with the keyword arguments of `make_screen`."""


def screen_class(name: str) -> "type[WorkbenchScreen]":
    """The class of the screen `name`. Raises KeyError for a name not in the table."""
    module, _, cls = SCREENS[name].partition(":")
    found: type[WorkbenchScreen] = getattr(importlib.import_module(module), cls)
    return found


def make_screen(name: str, **subject: Any) -> "WorkbenchScreen":
    """The screen `name` about `subject`, such as `run_id="..."`. Raises KeyError for a name not in the table."""
    return screen_class(name)(**subject)

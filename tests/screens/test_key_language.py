"""The same key has the same verb on all screens, and docs/keys.md says what the registry says."""

from pathlib import Path

from screens.key_language import RESERVED, VERBS, document, title, uses
from screens.navigation import SCREENS

ROOT = Path(__file__).parents[2]


def test_docs_are_written_from_the_registry():
    assert (ROOT / "docs" / "keys.md").read_text(encoding="utf-8") == document(), "run python -m screens.key_language"


def test_each_key_is_in_the_language_and_none_is_a_reserved_one():
    for use in uses():
        assert use.key in VERBS, f"{use.key} ({use.place}: {use.action.title}) has no verb"
        assert use.key not in RESERVED, f"{use.key} is kept for {RESERVED[use.key]}"
        assert title(use.place)
    assert not set(VERBS) & set(RESERVED)


def test_a_key_is_used_once_in_a_place():
    seen = set()
    for use in uses():
        assert (use.place, use.key) not in seen, f"{use.place} has {use.key} twice"
        seen.add((use.place, use.key))
    assert len(seen) > 100


SAME_ACTIONS = {
    # Actions by another name that mean the same; a key whose actions are not listed has one action everywhere.
    "enter": {"open_run", "submit", "open", "open_mistake", "edit"},
    "escape": {"back", "screen.back", "close", "cursor_off", "end_search"},
    "backspace": {"back"},
    "delete": {"remove", "unset"},
    "D": {"remove", "unset"},
    "slash": {"search"},
    "space": {"mark", "patch_mode"},
    "0": {"digit", "head", "reset"},
    **{str(digit): {"view", "digit", "head", "first_step"} for digit in range(1, 10)},
    "right_square_bracket": {"next_pair", "next_tag", "next_head", "next_found", "other_sweep"},
    "left_square_bracket": {"next_pair", "next_tag", "next_head", "next_found", "other_sweep"},
    "plus": {"zoom", "strength", "more_trials"},
    "equals_sign": {"zoom", "strength", "more_trials"},
    "minus": {"zoom", "strength"},
    "up": {"vertical", "patch", "layer", "pan_vertical", "next_found", "move"},
    "down": {"vertical", "patch", "layer", "pan_vertical", "next_found", "move"},
    "right": {"horizontal", "patch", "word", "cursor"},
    "left": {"horizontal", "patch", "word", "cursor"},
    "home": {"cursor_to"},
    "end": {"cursor_to"},
    "c": {"compare", "difference"},
    "g": {"choose_grid", "sheet"},
    "ctrl+e": {"export_tile", "export_word", "export_chart"},
    "h": {"checkpoints", "before"},
    "m": {"method", "kind"},
    "t": {"choose_evaluation", "columns", "choose_scalar", "target", "edit", "foreground", "choose"},
    "u": {"colours", "scale"},
    "x": {"smoothing", "smooth"},
    "N": {"network", "captioner"},
    "p": {"pause_or_resume", "resume"},
    "z": {"maximise", "image_size"},
    "l": {"log", "scale"},
}


def test_a_key_does_one_thing():
    found: dict[str, set[str]] = {}
    for use in uses():
        found.setdefault(use.key, set()).add(use.action.name.partition("(")[0])
    assert len(found) > 40
    for key, names in found.items():
        allowed = SAME_ACTIONS.get(key, names if len(names) == 1 else set())
        assert names <= allowed, f"{key} does {sorted(names - allowed) or sorted(names)} beside {sorted(allowed)}"


def test_keys_of_trainings_do_nothing_else_anywhere():
    found = [use for use in uses() if use.key in ("p", "s", "K", "D")]
    assert {use.key for use in found} == {"p", "s", "K", "D"}
    for use in found:
        assert use.place in ("runs", "run", "sweep", "figures") or use.action.name == "unset"


def test_each_action_of_a_screen_exists_and_each_is_opened_by_its_key():
    assert len(SCREENS.own()) == len(list((ROOT / "screens").glob("*_screen.py")))
    runs = {key for action in SCREENS["runs"].actions for key in action.keys.split(",")}
    for name, declared in SCREENS.items():
        assert SCREENS[name] is declared
        for action in declared.actions:
            method = action.name.partition("(")[0]
            assert callable(getattr(declared.screen, f"action_{method}", None)), f"{name} has no action_{method}"
        opened = declared.opened
        if opened is not None:
            assert {opened.key, opened.alone or opened.key} <= runs
        for part in declared.within:
            assert part.key in {key for action in declared.actions for key in action.keys.split(",")}

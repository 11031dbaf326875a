"""From a key to the changed preview on the captions screen, over a pty, once the picture is encoded: another word,
layer, head or method of the package's captioner.
python benchmarks/caption_keys.py [--keys 12]

As in keys.py, the app's own time on a processor is given beside the clock's.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from keys import Answer, Eye
from result_file import ResultFile
from watched_app import WatchedApp

KEYS = {"word": "\x1b[C", "layer": "\x1b[A", "head": "]"}
"""The key of each kind. Another method is chosen from a list: there the time runs from Enter on."""
TO_REACH = 150


def preview(eye: Eye) -> tuple[object, ...]:
    """What is drawn between the title and the sentence, with its colours."""
    rows = range(3, eye.screen.lines - 12)
    return tuple(eye.screen.buffer[row][column] for row in rows for column in range(eye.screen.columns))


def method(eye: Eye) -> str:
    """The line that names the method, beside the map; empty while something covers it."""
    return next((line for line in eye.screen.display if " method " in line), "")


def another_method(eye: Eye) -> Answer:
    """From Enter on the first entry of the list that names another method than the one that is shown, to its map."""
    before = method(eye)
    eye.app.child.send("m")
    eye.wait("shown now")
    if any("each kind of word by its best head" in line for line in eye.screen.display):
        eye.app.child.send("\x1b[B")  # the first entry is the same method with other heads
    return eye.answer_time("\r", lambda: method(eye) or before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=12)
    count = parser.parse_args().keys
    result = ResultFile("caption_keys", "From key to preview, captions", "torch", "timm", "textual")
    result.say(f"The package's captioner, 120x40, picture encoded; {count} keys of each kind at random moments.\n")
    result.say("| another | median, ms | most, ms | the app at work, median | queued, median |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        app = WatchedApp(Path(folder))
        eye = Eye(app)
        eye.wait("help")
        eye.watch(2)
        app.child.send("W")
        eye.wait("<end>")
        eye.watch(3)
        medians: list[float] = []
        measured = {
            what: [eye.answer_time(key, lambda: preview(eye)) for _ in range(count)] for what, key in KEYS.items()
        }
        measured["method"] = [another_method(eye) for _ in range(count)]
        for what, answers in measured.items():
            clock, working, queued = (np.array(column) for column in zip(*answers, strict=True))
            medians.append(float(np.median(clock)))
            result.say(
                f"| {what} | {np.median(clock):.0f} | {max(clock):.0f} | {np.median(working):.0f}"
                f" | {np.median(queued):.0f} |"
            )
        app.close()
    result.say("")
    result.goal(f"each median below {TO_REACH} ms", max(medians) < TO_REACH)
    result.write()


if __name__ == "__main__":
    main()

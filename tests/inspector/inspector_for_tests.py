"""A real inspector process with a few handlers of its own, started by test_inspector.py."""

import os
import subprocess
import sys
import time
from threading import Timer

import numpy as np

from vitbench.errors import UserError
from vitbench.inspector.handlers import Reply
from vitbench.inspector.server import Server


def echo(arguments, progress):
    array = np.arange(12, dtype=np.float32).reshape(3, 4) * arguments.get("scale", 1)
    return Reply({"heard": arguments}, {"map": array, "none": np.zeros((0, 5), np.uint8)})


def constant(arguments, progress):
    pictures = {"bare": np.full((50, 40, 3), arguments["picture"], np.uint8), "map": np.array([arguments["layer"]])}
    return Reply({}, pictures, frozenset({"bare"}))


def slow(arguments, progress):
    for step in range(arguments["steps"]):
        progress(step, arguments["steps"], "waiting")
        time.sleep(0.02)
    return Reply({"done": True})


def deaf(arguments, progress):
    """Works without a report of progress."""
    end = time.monotonic() + arguments["seconds"]
    while time.monotonic() < end:
        sum(range(1000))
    return Reply({"done": True})


def import_once(arguments, progress):
    """Imports a module that, like torch, cannot be imported again once half of it was."""
    progress(0, 0, "importing")
    import imported_once

    return Reply({"whole": imported_once.WHOLE})


def refuse(arguments, progress):
    raise UserError("No such picture: cat.png.")


def fail(arguments, progress):
    return Reply({"never": 1 // arguments["zero"]})


def fill(arguments, progress):
    """Asks for more memory than any machine has."""
    return Reply({}, {"all": np.zeros(2**56, np.uint8)})


def die(arguments, progress):
    print("out of everything", file=sys.stderr, flush=True)
    os._exit(3)


def die_late(arguments, progress):
    """A child that outlives us holds our stderr."""
    subprocess.Popen(["sleep", "4"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    Timer(0.3, lambda: os._exit(3)).start()
    return Reply({}) if arguments.get("answer") else time.sleep(60)


def chatter(arguments, progress):
    print("a library that prints")
    return Reply({"pid": os.getpid()})


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    handlers = (echo, constant, slow, deaf, import_once, refuse, fill, fail, die, die_late, chatter)
    table = {handler.__name__: handler for handler in handlers}
    Server(table, sys.stdin.buffer, answers, lambda request: bool(request.arguments.get("aside"))).serve()

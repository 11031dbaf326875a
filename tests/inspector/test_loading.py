"""The wait for the inspector's libraries."""

import signal
import threading

import pytest

from vitbench.inspector.loading import Loading
from vitbench.inspector.server import Cancelled, _Work
from vitbench.progress import silent


class Interrupted(BaseException):
    """As a cancellation: raised between two instructions."""


def test_a_wait_that_was_interrupted_does_not_end_the_next_one(tmp_path, monkeypatch):
    """Python 3.11 takes a thread whose join() was interrupted for ended: every later request failed."""
    go_on, libraries = threading.Event(), object()

    def load(self, *_) -> None:
        go_on.wait()
        self._handlers, self._done = libraries, True

    def interrupt(*_) -> None:
        raise Interrupted

    monkeypatch.setattr(Loading, "_load", load)
    loading = Loading(tmp_path, False)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(5):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Interrupted):
                loading.all_handlers(silent)
            assert loading.loaded is None
    finally:
        signal.signal(signal.SIGALRM, before)
    threading.Timer(0.1, go_on.set).start()
    assert loading.all_handlers(silent) is libraries
    assert loading.loaded is libraries


def test_a_thread_that_is_being_started_is_not_interrupted_in_place_of_the_one_that_starts_it():
    """Until it runs it bears that one's number: it ended with the exception, and the other one waited for good."""
    starting, go_on, cancelled = threading.Event(), threading.Event(), threading.Event()
    works: list[_Work] = []

    class Started(threading.Event):
        def wait(self, timeout=None):
            starting.set()
            return go_on.wait(30) and super().wait(timeout)

    def handler() -> None:
        work = _Work(1)
        works.append(work)
        work.at_work = True
        other = threading.Thread(target=lambda: None)
        other._started = Started()
        try:
            other.start()
            while True:
                pass
        except Cancelled:
            cancelled.set()

    threading.Thread(target=handler, daemon=True).start()
    assert starting.wait(30)
    assert not works[0].interrupt()
    go_on.set()
    while not works[0].interrupt():
        pass
    assert cancelled.wait(30)

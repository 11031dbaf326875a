"""One thread looks into a network at a time; long work gives way to short looks, and one request after another is told
to be long."""

import threading
from contextlib import contextmanager

import pytest
import timm
import torch

from vitbench.compose.turn import Turn
from vitbench.inspector.arguments import takes_long
from vitbench.inspector.protocol import Question
from vitbench.models.attention_hooks import AttentionHooks


@contextmanager
def long_look(turn, seen):
    """A thread at long work, which notes each step, until the block ends."""
    begun, done = threading.Event(), threading.Event()

    def work():
        with turn.hold(long=True):
            while not done.is_set():
                seen.append("step")
                begun.set()
                turn.give_way()
            seen.append("long ends")

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(20)
    try:
        yield
    finally:
        done.set()
        thread.join(20)
        assert not thread.is_alive()


def test_a_short_look_comes_between_two_steps_of_a_long_one():
    turn, seen = Turn(), []
    with long_look(turn, seen):
        for _ in range(20):
            with turn.hold():
                before = len(seen)
                for _ in range(50):
                    threading.Event().wait(1e-4)
                assert len(seen) == before
    assert seen[-1] == "long ends"


@pytest.mark.parametrize("back", [False, True], ids=["forward", "backward"])
def test_a_short_look_at_the_same_network_comes_into_the_middle_of_a_pass(back):
    torch.manual_seed(0)
    module = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=3, embed_dim=24, num_heads=2).eval()
    turn, pixels = Turn(), torch.randn(2, 3, 32, 32)

    def maps(picture):
        picture = pixels[picture : picture + 1].clone().requires_grad_()
        with AttentionHooks(module) as hooks:
            score = module(picture)[0, 0]
        score.backward()
        return [(call.module, call.kept) for call in hooks.calls] + [("gradient", picture.grad)]

    alone, found, order = [maps(0), maps(1)], {}, []

    def wait():
        order.append("block 1 of the long look")
        inside.set()
        while not turn._waiting:
            threading.Event().wait(1e-3)

    def wait_until_asked(block, arguments, output):
        if threading.current_thread() is long:
            output.register_hook(lambda gradient: wait()) if back else wait()

    def look():
        with turn.hold(long=True):
            found["long"] = maps(0)
            order.append("long ends")

    inside, long = threading.Event(), threading.Thread(target=look)
    module.blocks[1].register_forward_hook(wait_until_asked)
    long.start()
    assert inside.wait(20)
    with turn.hold():
        found["short"] = maps(1)
        order.append("short ends")
    long.join(20)
    assert order == ["block 1 of the long look", "short ends", "long ends"]
    for seen, undisturbed in zip((found["long"], found["short"]), alone, strict=True):
        assert [name for name, _ in seen] == [name for name, _ in undisturbed]
        assert all(torch.equal(kept, truth) for (_, kept), (_, truth) in zip(seen, undisturbed, strict=True))


def test_networks_are_moved_only_where_nobody_looks_and_long_looks_come_one_after_the_other():
    turn, first, second = Turn(), [], []
    found = []

    def try_alone():
        with turn.alone(wait=False) as free:
            found.append(free)

    def other_long():
        with turn.hold(long=True):
            second.append(list(first))

    later = threading.Thread(target=other_long)
    with long_look(turn, first):
        later.start()
        with turn.hold():  # lent
            thread = threading.Thread(target=try_alone)
            thread.start()
            thread.join(20)
        assert (found, second) == ([False], [])
    later.join(20)
    assert second[0][-1] == "long ends"
    try_alone()
    assert found == [False, True]
    with turn.alone() as free:
        assert free


def test_a_look_that_fails_leaves_the_turn():
    turn = Turn()
    for long in (True, False):
        with pytest.raises(KeyError), turn.hold(long):
            raise KeyError
    with turn.alone(wait=False) as free:
        assert free


@pytest.mark.parametrize(
    ("kind", "values", "long"),
    [
        ("attention", {"network": "demo", "pictures": ["a"]}, False),
        ("attention", {"network": "demo", "pictures": ["a"], "method": "occlusion"}, True),
        ("attention", {"network": "demo", "pictures": ["a"], "grid": "methods"}, False),
        ("attention", {"network": "demo", "pictures": ["a"], "grid": "methods", "methods": ["raw", "ig"]}, False),
        (
            "attention",
            {"network": "demo", "pictures": ["a"], "grid": "methods", "methods": ["raw", "integrated_gradients"]},
            True,
        ),
        ("caption", {"captioner": "demo", "picture": "a"}, False),
        ("caption", {"captioner": "demo", "picture": "a", "minus_method": "occlusion"}, True),
        ("features", {"network": "demo", "pictures": ["a"]}, False),
        ("features", {"network": "demo", "pictures": ["a"], "view": "nearest", "data": "/pets"}, True),
        ("positions", {"network": "demo"}, True),
        ("positions", {"network": "demo", "permutations": 0}, False),
        ("grounding", {"captioner": "demo", "data": "/pets"}, True),
        ("mistakes", {"network": "demo", "mistakes": [["a", "b", "c"]]}, True),
        ("no such", {}, False),
        ("attention", {"network": 7}, False),
    ],
)
def test_what_takes_long_is_told_by_the_request(kind, values, long):
    assert takes_long(Question(1, "sheet", {"kind": kind, "request": values})) is long

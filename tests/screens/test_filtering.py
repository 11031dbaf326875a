"""The filter language of the runs table."""

import time
from dataclasses import replace

import pytest

from screens.snapshot import RunRow
from vitbench.errors import UserError
from vitbench.listing.filters import parse_filter

NOW = time.time()
RUNS = [
    RunRow(
        "1",
        name="pets sgd",
        state="finished",
        model="timm:vit_base",
        data="/d/pets",
        score_metric="validation/accuracy",
        score=0.94,
        loss=0.1,
        epoch=10,
        step=1000,
        total_steps=1000,
        created_at=NOW - 7200,
    ),
    RunRow(
        "2",
        name="pets adam",
        state="running",
        model="timm:vit_small",
        data="/d/pets",
        score_metric="validation/accuracy",
        score=0.5,
        loss=1.5,
        epoch=2.5,
        step=250,
        total_steps=1000,
        eta_seconds=600,
        created_at=NOW - 60,
    ),
    RunRow(
        "3", name="flowers", state="crashed", model="pretrained_vit:B_16", data="/d/flowers", created_at=NOW - 3 * 86400
    ),
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "123"),
        ("pets", "12"),
        ("PETS adam", "2"),
        ("-pets", "3"),
        ('"pets s"', "1"),
        ("state:running", "2"),
        ("s:run", "2"),
        ("-state:crashed", "12"),
        ("model:timm", "12"),
        ("acc>0.9", "1"),
        ("accuracy>=50%", "12"),
        ("accuracy<50%", ""),
        ("loss<=1.5 loss>0.1", "2"),
        ("epoch=2.5", "2"),
        ("eta<11m", "2"),
        ("age>1h", "13"),
        ("age>1d", "3"),
        ("age<2m", "2"),
        ("step>=1k", "1"),
        ("progress:1", "1"),
        ("state!=finished", "23"),
        ("state=finished", "1"),
        ("-acc>0.9", "23"),
        ("timm:vit_base", "1"),
        ("/d/flowers", "3"),
        ("nothing-like-it", ""),
    ],
)
def test_filter(text: str, found: str) -> None:
    passed = time.time() - NOW  # since this file was read; the runs are as old as they say
    runs = [replace(run, created_at=run.created_at + passed) for run in RUNS]
    assert "".join(run.id for run in parse_filter(text).of(runs)) == found


@pytest.mark.parametrize(
    ("text", "word"), [("colour>3", "colour"), ("acc>high", "high"), ('"open', "quote"), ("loss:big", "big")]
)
def test_what_cannot_be_understood_is_named(text: str, word: str) -> None:
    with pytest.raises(UserError, match=word):
        parse_filter(text)

"""Suggestions of a sweep: their time after 200 trials, and TPE against random draws on a fixed task.

    python benchmarks/sweep.py

The task is a formula with one best point, so that 5 seeds of 30 trials take seconds: the score falls with the distance
of the learning rate's logarithm from -3, for other optimizers than adamw, and with the distance from 15 epochs.
"""

import math
import statistics
import time

from result_file import ResultFile

from vitbench.sweeps.plan import Plan, parse_plan
from vitbench.sweeps.suggest import suggestion

SPACE = {
    "optim.lr": {"low": 1e-5, "high": 1e-1, "scale": "log"},
    "optim.name": ["sgd", "adam", "adamw"],
    "train.epochs": {"low": 1, "high": 20, "whole": True},
}
TRIALS, SEEDS, GOAL = 30, 5, 0.5


def plan(method: str, seed: int) -> Plan:
    recipe = {"data": {"path": "pictures"}, "model": {"name": "demo"}}
    return parse_plan({"method": method, "trials": 300, "seed": seed, "space": SPACE, "recipe": recipe}, "benchmark")


def score(values: dict) -> float:
    wrong = values["optim.name"] != "adamw"
    return 1 - 0.2 * abs(math.log10(values["optim.lr"]) + 3) - 0.1 * wrong - abs(values["train.epochs"] - 15) / 50


def played(one: Plan, count: int) -> list:
    history: list = []
    for number in range(count):
        values = suggestion(one, number, history, "max")
        history.append((values, score(values)))
    return history


def main() -> None:
    result = ResultFile("sweep", "Suggestions of a sweep", "optuna")
    history = played(plan("tpe", 0), 200)
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        suggestion(plan("tpe", 0), 200, history, "max")
        seconds.append(time.perf_counter() - began)
    took = statistics.median(seconds)
    rows, ahead = [], 0
    for seed in range(SEEDS):
        tpe, random = (max(value for _, value in played(plan(method, seed), TRIALS)) for method in ("tpe", "random"))
        ahead += tpe > random
        rows.append(f"| {seed} | {tpe:.4f} | {random:.4f} |")
    lines = [
        f"The next suggestion after 200 trials: {1000 * took:.0f} ms (median of 20, the slowest "
        f"{1000 * max(seconds):.0f} ms); goal below {1000 * GOAL:.0f} ms: {'met' if took < GOAL else 'MISSED'}.",
        "",
        f"Best score after {TRIALS} trials (1 is the best there is), TPE ahead in {ahead} of {SEEDS} seeds:",
        "",
        "| seed | TPE | random |",
        "|---|---|---|",
        *rows,
    ]
    result.say("\n".join(lines))
    result.write()


if __name__ == "__main__":
    main()

"""`vitbench sweep FILE|NAME|SWEEP`: many runs from one plan, and what came of them."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.commands._outputs import add_overwrite, outputs_of, say
from vitbench.errors import UserError
from vitbench.nearest import perhaps
from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.runs.store import Store
from vitbench.text import clean, counted

if TYPE_CHECKING:
    from vitbench.sweeps.history import History, Trial
    from vitbench.sweeps.plan import Plan
    from vitbench.sweeps.store import Sweep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    from vitbench.sweeps.plan import plan_names

    words = f"a sweep file (TOML) or one of {', '.join(plan_names())} starts a sweep; a sweep's id or name shows it"
    parser.add_argument("sweep", metavar="FILE|NAME|SWEEP", nargs="?", help=f"{words}; without it all are listed")
    parser.add_argument("--recipe", metavar="RECIPE", help="the recipe or preset of all trials, instead of the file's")
    parser.add_argument("--data", metavar="DIR", help="the pictures of all trials")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="the same for all trials")
    parser.add_argument("--trials", type=int, help="how many points (of a sweep that is there: all together)")
    parser.add_argument("--repeats", type=int, help="seeds for each point")
    parser.add_argument("--parallel", type=int, help="runs in the queue at a time")
    parser.add_argument("--name", help="what the sweep is called")
    said = "what is tried of a recipe key, instead of a file: optim.name=sgd,adamw or 'optim.lr=1e-5 to 1e-2 log'"
    parser.add_argument("--space", metavar="KEY=VALUES", action="append", default=[], help=said)
    parser.add_argument("--method", choices=("grid", "random", "tpe"), help="with --space: which points are tried")
    said = "with --space: when a trial that is losing is stopped"
    parser.add_argument("--stopping", choices=("none", "median", "halving"), help=said)
    parser.add_argument("--write", metavar="FILE.toml", help="with --space: write the sweep file; start nothing")
    said = "check plan, data and network, and print the trials and the time; start nothing"
    parser.add_argument("--dry-run", action="store_true", help=said)
    parser.add_argument("--stop", action="store_true", help="of a sweep: no more runs, and end those at work")
    parser.add_argument("--resume", action="store_true", help="of a sweep that was stopped or failed: go on")
    parser.add_argument("--best", metavar="FILE.toml", help="of a sweep: write the best trial as a recipe")
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Starts a sweep, changes one, or prints one."""
    from vitbench.sweeps.manager import ensure_managers
    from vitbench.sweeps.store import find_sweep

    store = Store(store_folder(arguments.store))
    if arguments.space:
        return _start_typed(arguments, store)
    if arguments.method or arguments.stopping or arguments.write:
        raise UserError("--method, --stopping and --write belong to --space; a sweep file says it itself.")
    if arguments.sweep is None:
        ensure_managers(store)
        return _list(arguments, store)
    found = None if _starts_another(arguments) else find_sweep(store, arguments.sweep)
    if found is None:
        return _start(arguments, store)
    _change(arguments, found)
    ensure_managers(store)
    if arguments.best:
        return _write_best(arguments, found)
    return _show(arguments, found)


def _starts_another(arguments: argparse.Namespace) -> bool:
    """Whether a plan is named with a recipe or data of its own: a sweep of that name may be there already."""
    from vitbench.sweeps.plan import plan_names

    its_own = bool(arguments.set or arguments.recipe or arguments.data)
    return its_own and (arguments.sweep in plan_names() or Path(arguments.sweep).expanduser().is_file())


def _start(arguments: argparse.Namespace, store: Store) -> int:
    from vitbench.recipe import load_recipe
    from vitbench.sweeps.plan import load_plan, parse_plan
    from vitbench.sweeps.store import all_sweeps

    if arguments.stop or arguments.resume or arguments.best:
        near = perhaps(arguments.sweep, [name for one in all_sweeps(store) for name in (one.plan().name, one.id)])
        raise UserError(
            f"There is no sweep {clean(arguments.sweep)!r} in {store.folder}{near}; `vitbench sweep` lists them."
        )
    changes = {name: getattr(arguments, name) for name in ("trials", "repeats", "parallel", "name")}
    recipe = None
    if arguments.recipe:
        recipe = load_recipe(arguments.recipe).model_dump(mode="json", exclude_none=True)
    plan = load_plan(arguments.sweep, recipe, **changes)
    if arguments.set or arguments.data:
        whole = plan.recipe_of({}, 0).with_changes(arguments.set)
        whole = whole.with_data(arguments.data) if arguments.data else whole
        values = {**plan.model_dump(mode="json"), "recipe": whole.anchored().model_dump(mode="json", exclude_none=True)}
        plan = parse_plan(values, arguments.sweep)
    return _start_plan(arguments, store, plan)


def _start_typed(arguments: argparse.Namespace, store: Store) -> int:
    """A sweep without a file: what the app's screen makes, from options."""
    from vitbench.sweeps.draft import SweepDraft, base_at

    if arguments.sweep is not None:
        raise UserError(f"Give either a sweep ({clean(arguments.sweep)}) or --space, not both.")
    pairs = [text.partition("=")[::2] for text in [*arguments.set, *arguments.space]]
    numbers = {name: str(getattr(arguments, name) or "") for name in ("trials", "repeats", "parallel")}
    draft = SweepDraft(
        base=base_at(arguments.recipe or "fast", Path.cwd()),
        data=arguments.data or "",
        name=arguments.name or "",
        method=arguments.method or "grid",
        stopping=arguments.stopping or "none",
        keys={key.strip(): text for key, text in pairs},
        **numbers,
    )
    plan = draft.plan()
    if arguments.write:
        written = outputs_of(arguments).write(Path(arguments.write).expanduser(), draft.to_toml())
        say(f"{counted(plan.trial_count, 'trial')}: {written}", file=written)
        return 0
    return _start_plan(arguments, store, plan)


def _start_plan(arguments: argparse.Namespace, store: Store, plan: "Plan") -> int:
    from vitbench.sweeps.manager import start_manager
    from vitbench.sweeps.store import create_sweep

    plan = plan.anchored()
    for note in plan.notes():
        print(clean(note), file=sys.stderr)
    if arguments.dry_run:
        return _print_trials(plan, store)
    sweep = create_sweep(store, plan)
    print(sweep.id)
    if start_manager(sweep) is None:
        raise UserError(f"The sweep's manager cannot be started; see {sweep.folder / 'manager.log'}.")
    runs = plan.trial_count * plan.repeats
    print(f"{counted(runs, 'run')}, {plan.parallel} at a time: vitbench sweep {sweep.id}", file=sys.stderr)
    return 0


def _print_trials(plan: "Plan", store: Store) -> int:
    """What would be tried, what the data are, and how long it may take; 1 where the recipe cannot be trained."""
    from vitbench.sweeps.outlook import outlook
    from vitbench.sweeps.plan import describe
    from vitbench.sweeps.suggest import suggestion
    from vitbench.training.check import check_recipe

    if plan.method == "tpe":
        print(f"{counted(plan.trial_count, 'trial')}, each chosen by the results before it")
    else:
        for number in range(plan.trial_count):
            print(clean(f"{number + 1:>4}  {describe(suggestion(plan, number, [], 'max'))}"))
    check = check_recipe(plan.recipe_of({}, 0), store.folder)
    for sentence in check.recognised:
        print(clean(sentence))
    for problem in check.problems:
        print(clean(f"problem: {problem}"), file=sys.stderr)
    print(outlook(plan, check.pictures).sentence)
    return 1 if check.problems else 0


def _change(arguments: argparse.Namespace, sweep: "Sweep") -> None:
    from vitbench.sweeps.manager import add_trials, stop_sweep
    from vitbench.sweeps.plan import parse_plan

    if arguments.set or arguments.recipe or arguments.data:
        raise UserError("The recipe of a sweep stays as it was at the start; start another sweep.")
    if arguments.repeats is not None:
        raise UserError("The repeats of a sweep cannot be changed: its runs are numbered by them.")
    if arguments.parallel is not None:
        sweep.change(parse_plan(sweep.plan().model_dump(mode="json") | {"parallel": arguments.parallel}, "The sweep"))
    if arguments.trials is not None:
        add_trials(sweep, arguments.trials)
    if arguments.stop:
        stopped = stop_sweep(sweep, runs=True)
        print(f"{clean(sweep.id)}: stopped, {stopped} of its runs too", file=sys.stderr)
    if arguments.resume:
        sweep.set_state("running")


def _list(arguments: argparse.Namespace, store: Store) -> int:
    from vitbench.sweeps.history import read_history
    from vitbench.sweeps.store import all_sweeps

    rows: list[dict[str, Any]] = []
    for sweep in reversed(all_sweeps(store)):
        state, why = sweep.state()
        try:
            plan = sweep.plan()
        except UserError as error:
            rows.append(
                {"id": sweep.id, "name": "", "state": "failed", "why": str(error), "trials": None, "ended": None}
            )
            continue
        history = read_history(store, sweep.id, plan)
        ended = sum(trial.is_complete(plan.repeats) for trial in history.trials.values())
        row = {
            "id": sweep.id,
            "name": plan.name,
            "state": state,
            "why": why,
            "trials": plan.trial_count,
            "ended": ended,
        }
        rows.append(row)
    if arguments.json:
        print_json(rows)
        return 0
    if not rows:
        print("No sweeps yet; `vitbench sweep FILE.toml` starts one.")
    for row in rows:
        progress = "" if row["trials"] is None else f"  {row['ended']} of {row['trials']} trials"
        why = f": {row['why']}" if row["why"] else ""
        print(clean(f"{row['id']}  {row['name']}  {row['state']}{why}{progress}"))
    return 0


def _show(arguments: argparse.Namespace, sweep: "Sweep") -> int:
    from vitbench.sweeps.curves import survivors
    from vitbench.sweeps.effects import effects
    from vitbench.sweeps.history import read_history

    plan = sweep.plan()
    history = read_history(sweep.store, sweep.id, plan)
    state, why = sweep.state()
    found = effects(history)
    if arguments.json:
        board = [_row(trial, history) for trial in history.leaderboard()]
        curves = [
            {"trial": one.trial.number, "seeds": one.seeds, "steps": one.steps.tolist(), "mean": one.mean.tolist()}
            | {"low": one.low.tolist(), "high": one.high.tolist()}
            for one in survivors(history)
        ]
        document = {"id": sweep.id, "name": plan.name, "state": state, "why": why, "metric": history.metric}
        print_json(
            document
            | {"goal": history.goal, "board": board, "effects": [asdict(one) for one in found], "curves": curves}
        )
        return 0
    ended = sum(trial.is_complete(plan.repeats) for trial in history.trials.values())
    reason = f": {why}" if why else ""
    print(clean(f"{plan.name or sweep.id}  {state}{reason}; {ended:,} of {counted(plan.trial_count, 'trial')} ended"))
    if history.doubles:
        print(clean(f"left out, since they are copies: {', '.join(history.doubles)}"))
    print(clean(f"\nBy {history.metric}, {'least' if history.goal == 'min' else 'greatest'} first:"))
    for place, trial in enumerate(history.leaderboard()[:20], 1):
        print(clean(f"{place:>4}  {_score(trial, history)}  {trial.exact_words}{_marks(trial, plan.repeats)}"))
    if ties := history.ties():
        print(f"{ties}; more seeds, or a larger validation split, may tell them apart.")
    if found:
        print("\nMean score by value, and the share of the variance between the values:")
    for effect in found:
        levels = "; ".join(
            f"{level.title} {level.score.value:.4g} ({level.score.low:.4g} to {level.score.high:.4g}, {level.trials})"
            for level in effect.levels
        )
        print(clean(f"  {effect.key} ({100 * effect.share:.0f}%): {levels}"))
    return 0


def _write_best(arguments: argparse.Namespace, sweep: "Sweep") -> int:
    from vitbench.sweeps.history import read_history

    history = read_history(sweep.store, sweep.id, sweep.plan())
    board = history.leaderboard()
    if not board:
        raise UserError(f"No trial of {sweep.id} has a value of {history.metric} yet.")
    first = board[0].attempts[min(board[0].attempts)]
    recipe = first.run.recipe().model_copy(update={"name": ""})
    file = Path(arguments.best).expanduser()
    written = outputs_of(arguments).write(file, recipe.to_toml())
    say(f"{clean(board[0].exact_words)}: {written}", file=written)
    return 0


def _row(trial: "Trial", history: "History") -> dict[str, object]:
    return {
        "trial": trial.number,
        "values": trial.values,
        "seeds": list(trial.seeds),
        "score": trial.score(history.goal),
        "scores": trial.scores(history.goal),
        "runs": [
            {"id": attempt.run.id, "state": attempt.state, "stopped_at": attempt.stopped_at}
            for attempt in trial.attempts.values()
        ],
    }


def _score(trial: "Trial", history: "History") -> str:
    scores, mean = trial.scores(history.goal), trial.score(history.goal)
    assert mean is not None
    return f"{mean:.4g}" + (
        f" ({min(scores):.4g} to {max(scores):.4g}, {len(scores)} seeds)" if len(scores) > 1 else ""
    )


def _marks(trial: "Trial", repeats: int) -> str:
    if any(attempt.stopped_at is not None for attempt in trial.attempts.values()):
        return "  (stopped early)"
    return "" if trial.is_complete(repeats) else "  (not ended)"

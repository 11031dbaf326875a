"""Facts on what else was tried: other runs beside this one, and the sweeps that it or they belong to."""

from collections.abc import Sequence

from vitbench.comparing.recipes import differing, groups_by_seed
from vitbench.comparing.report import compare
from vitbench.comparing.rows import all_evaluations
from vitbench.errors import UserError
from vitbench.report.document import Missing
from vitbench.report.facts import KeyFacts, SweepFacts, SweptRow, TriedFacts, TriedRow
from vitbench.runs.evaluations import Scored, ScoredLabels
from vitbench.runs.store import Run, Store
from vitbench.sweeps.effects import Effect, effects
from vitbench.sweeps.history import History, Trial, membership_of, read_history
from vitbench.sweeps.store import Sweep, find_sweep


def named(texts: Sequence[str], store: Store) -> tuple[list[Run], list[Sweep]]:
    """The runs and the sweeps that texts name; a text that may be both is a run. Raises UserError for neither."""
    runs: list[Run] = []
    sweeps: list[Sweep] = []
    for text in texts:
        try:
            runs.append(store.find(text))
        except UserError:
            sweep = find_sweep(store, text)
            if sweep is None:
                raise
            sweeps.append(sweep)
    return runs, sweeps


def gather_tried(run: Run, others: Sequence[Run], sweeps: Sequence[Sweep], store: Store) -> TriedFacts:
    """The run beside others, those that differ by their seed in one row; its own sweep, and others that were named."""
    found = {sweep.id: sweep for sweep in sweeps}
    missing: list[Missing] = []
    if (own := membership_of(run)) is not None:
        sweep = find_sweep(store, own.sweep)
        if sweep is not None:
            found = {sweep.id: sweep} | found
        else:
            missing.append(Missing(f"The run belongs to the sweep {own.sweep}, whose plan is not in this store."))
    swept: list[SweepFacts] = []
    for one in found.values():
        try:
            swept.append(gather_sweep(one, run, store))
        except UserError as error:
            missing.append(Missing(f"The sweep {one.id} cannot be read: {error}"))
    if not others:
        if not swept:
            words = "No other run was named, and this one belongs to no sweep, so nothing is compared."
            missing.append(Missing(words, f"vitbench report {run.id} --compare RUN|SWEEP"))
        return TriedFacts((), sweeps=tuple(swept), missing=tuple(missing))
    runs = {one.id: one for one in (run, *others)}
    recipes = {name: one.recipe() for name, one in runs.items()}
    scores = {name: next(iter(all_evaluations(one)), None) for name, one in runs.items()}
    unscored = [name for name, score in scores.items() if score is None]
    missing += [Missing(f"{name} has no evaluation.", f"vitbench evaluate {name}") for name in unscored]
    differences = differing(list(recipes.values()))
    names = {name: recipes[name].name or name for name in runs}
    names = {name: name if list(names.values()).count(said) > 1 else said for name, said in names.items()}
    rows = []
    for group in groups_by_seed({name: recipe for name, recipe in recipes.items() if scores[name] is not None}):
        own_scores = [score for name in group if (score := scores[name]) is not None]
        place = list(runs).index(group[0])
        differs = {key: values[place] for key, values in differences.items() if key != "train.seed"}
        accuracies = tuple(
            one.accuracy if isinstance(one, Scored) else one.mean_average_precision for one in own_scores
        )
        first = own_scores[0]
        rows.append(TriedRow(tuple(names[name] for name in group), differs, accuracies, first.pictures, first.split))
    rows.sort(key=lambda row: -sum(row.accuracies) / len(row.accuracies))
    test, not_tested = _tested([runs[name] for name in runs if scores[name] is not None])
    kinds = {type(score) for score in scores.values() if score is not None}
    if len(kinds) > 1:
        not_tested = "some runs have one class per picture, others several labels: their scores are not of one kind."
    measure = "mean average precision" if kinds == {ScoredLabels} else "accuracy" if kinds == {Scored} else "score"
    return TriedFacts(tuple(rows), test, not_tested, tuple(swept), tuple(missing), measure)


def gather_sweep(sweep: Sweep, run: Run, store: Store) -> SweepFacts:
    """The leaderboard of a sweep with what each key contributed. Raises UserError for a plan that cannot be read."""
    plan = sweep.plan()
    history = read_history(store, sweep.id, plan)
    board = history.leaderboard()
    rows = tuple(_row(trial, run, history) for trial in board)
    ended = sum(trial.is_complete(plan.repeats) for trial in history.trials.values())
    state, _ = sweep.state()
    keys = tuple(_key(effect, history.goal) for effect in effects(history))
    return SweepFacts(
        plan.name or sweep.id,
        plan.method,
        history.metric,
        history.goal,
        rows,
        plan.trial_count,
        ended,
        plan.repeats,
        state,
        keys,
    )


def _row(trial: Trial, run: Run, history: History) -> SweptRow:
    attempts = trial.attempts.values()
    return SweptRow(
        trial.number + 1,
        trial.values,
        tuple(trial.scores(history.goal)),
        own=any(attempt.run.id == run.id for attempt in attempts),
        stopped=any(attempt.stopped_at is not None for attempt in attempts),
        complete=trial.is_complete(history.plan.repeats),
    )


def _key(effect: Effect, goal: str) -> KeyFacts:
    sign = -1 if goal == "min" else 1
    best = max(effect.levels, key=lambda level: sign * level.score.value)
    return KeyFacts(effect.key, effect.share, best.title, best.score, best.trials)


def _tested(runs: Sequence[Run]) -> tuple[str, str]:
    """The paired test of the best run against the next best on the same pictures, or why there is none."""
    if len(runs) < 2:
        return "", ""
    found = compare(runs)
    if found.shared is None:
        return "", found.not_tested
    correct = [int(answers.correct.sum()) for answers in found.shared.answers]
    order = sorted(range(len(runs)), key=lambda number: -correct[number])
    best, other = order[0], order[1]
    test = next(one for one in found.tests if {one.first, one.second} == {best, other})
    corrected = f" Corrected for {len(found.tests)} pairs: p = {test.corrected:.3g}." if len(found.tests) > 1 else ""
    return test.paired.sentence(found.names[test.first], found.names[test.second]) + corrected, ""

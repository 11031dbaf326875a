"""What looks wrong in tables of labels as a whole: pictures with several labels, pictures that are not there."""

from collections.abc import Mapping, Sequence

from vitbench.data.layouts.base import Doubt, Entry, as_layout
from vitbench.data.layouts.place import listed
from vitbench.data.layouts.several import SEVERAL
from vitbench.data.problems import Problem


def doubts_of_tables(
    form: str, problems: Sequence[Problem], entries: Sequence[Entry], several: Mapping[str, set[str]]
) -> list[Doubt]:
    """Of what the tables said of the pictures; `several` are those with several rows, and the labels of these."""
    if several:
        name, labels = next(iter(several.items()))
        some = f"such as {name}: {listed(sorted(labels)[:4])}"
        doubt = f"{len(several):,} of {len(entries):,} pictures have several labels, {some}."
        way_out = (
            'The first one counts, unless task = "multilabel" learns all of them (--set task=multilabel; --as'
            f" {as_layout(form, {SEVERAL: 'yes'})} shows them). If this is meant, set data.accept_doubts = true."
        )
        return [Doubt(doubt, way_out, stops_training=len(several) * 2 > len(entries))]
    missing = [problem for problem in problems if problem.reason.startswith("No such file")]
    if len(missing) > len(entries):
        return [
            Doubt(f"{len(missing):,} of the pictures that the table names are not there, such as {missing[0].file}.")
        ]
    return []

"""The compared runs in words: what differs, and whether one is better on the same pictures."""

from tests.comparing.test_comparing_runs import flags, make_run
from tests.screens.opened_app import opened


async def test_what_differs_and_the_paired_test_stand_in_place_of_the_charts(store):
    one = make_run(store, "one", flags(40, 0, 1), lr=1e-3)
    two = make_run(store, "two", flags(40, 1, *range(10, 22)), lr=3e-4)
    async with opened(store, (120, 40)) as at:
        await at.show("compare", run_ids=(one.id, two.id))
        await at.press("d")
        await at.see("optim.lr", "0.0003", "validation/accuracy best", "one is better than two by 27.5 points")
        await at.press("d")
        await at.until(lambda: "optim.lr" not in at.text(), "the charts")


async def test_one_run_alone_is_said_to_need_another(store):
    one = make_run(store, "one", flags(6))
    async with opened(store, (80, 24)) as at:
        await at.show("compare", run_ids=(one.id,))
        await at.press("d")
        await at.see("two runs or more")

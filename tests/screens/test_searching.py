"""`/` searches a log, a recipe, the fields of a new run, a table: what is found is shown, and keys go on from there."""

import numpy as np

from screens.widgets.compare_table import CompareTable
from screens.widgets.confusion_view import ConfusionMatrix
from screens.widgets.log_view import LogView
from screens.widgets.recipe_fields import FieldList
from screens.widgets.recipe_view import RecipeView
from screens.widgets.searching import SearchLine
from tests.screens.fake_runs import FakeRun
from tests.screens.opened_app import opened


def _long_log(store):
    fake = FakeRun(store, "one").train(1000)
    for number in range(300):
        fake.log.write(
            number, "warning" if number == 40 else "info", f"line {number}" + " Unreadable [b]" * (number in (40, 250))
        )
    return fake.status("finished")


async def test_a_log_is_searched_and_followed_again_afterwards(store):
    fake = _long_log(store)
    async with opened(store, (80, 24)) as at:
        await at.show("run", run_id=fake.id)
        await at.press("3")
        log = at.screen.query_one("#log", LogView)
        await at.until(lambda: len(log.lines) == 310 and log.scroll_offset.y == log.max_scroll_y)
        await at.press("slash")
        await at.type("unreadable")
        await at.until(lambda: len(log.matches) == 2, "two matches")
        assert [log.lines[line].text.split()[1] for line in log.matches] == ["40", "250"]
        await at.see("1 of 2", "line 40 Unreadable [b]")
        await at.press("down")
        await at.see("2 of 2", "line 250 Unreadable [b]")
        await at.press("enter")
        assert log.has_focus
        await at.press("right_square_bracket")
        await at.see("1 of 2", "line 40 ")
        assert log.selected_text().startswith("line 40 Unreadable")
        fake.log.write(1001, "info", "a new line: Unreadable [b] too")
        await at.until(lambda: len(log.matches) == 3, "the new line among the matches")
        assert "line 40 " in at.text(), "a search is not scrolled away by new lines"
        await at.press("escape")
        assert not at.screen.query_one(SearchLine).display
        assert log.match is None
        await at.press("escape")
        await at.see("by age")


async def test_a_search_without_a_match_says_so_and_escape_leaves_the_screen_alone(store):
    fake = _long_log(store)
    async with opened(store, (80, 24)) as at:
        screen = await at.show("run", run_id=fake.id)
        await at.see("line 299")
        await at.press("slash")  # with the focus on a chart, the log below it is searched
        await at.type("no such thing")
        await at.see("found nowhere")
        await at.press("escape")
        assert at.screen is screen
        assert not screen.query_one(SearchLine).display


async def test_the_recipe_is_searched_by_key_value_and_explanation(store):
    fake = FakeRun(store, "one").train(100).status("finished")
    async with opened(store, (80, 24)) as at:
        await at.show("run", run_id=fake.id)
        await at.press("4")
        view = at.screen.query_one(RecipeView)
        await at.until(lambda: view._rows, "the recipe")
        await at.press("slash")
        await at.type("weight_decay")
        await at.see("1 of 1", "weight_decay =", "not applied to biases")
        assert view.scroll_offset.y > 0
        await at.press("enter", "1")
        await at.see("Loss")
        assert not at.screen.query_one(SearchLine).display, "what was searched is not to be seen any more"


async def test_the_fields_of_a_new_run_are_searched(store):
    async with opened(store, (120, 40)) as at:
        await at.show("new_run", preset="scratch", data="/data")
        fields = at.screen.query_one(FieldList)
        await at.until(lambda: fields.fields, "the fields")
        fields.focus()
        await at.press("slash")
        await at.type("learning rate")
        await at.until(lambda: fields.current.path == "optim.lr" and len(fields.matches) > 1, "the first match")
        await at.press("down")
        assert "learning rate" in fields.current.explanation.lower()
        assert fields.current.path != "optim.lr"
        await at.press("enter")
        path = fields.current.path
        await at.press("enter")  # changes what was found
        await at.see(f"{path}: Enter takes it")


async def test_tables_are_searched(store, tmp_path):
    fakes = [FakeRun(store, f"run {number}", seed=number).train(100).status("finished") for number in range(14)]
    fakes[0].evaluate(tmp_path / "pictures")
    async with opened(store, (80, 24)) as at:
        await at.show("compare", run_ids=tuple(fake.id for fake in fakes))
        table = at.screen.query_one(CompareTable)
        await at.until(lambda: len(table.searched()) == 14)
        await at.press("slash")
        await at.type("run 12")
        await at.see("run 12 ", "1 of 1")
        await at.press("escape", "escape")
        await at.show("run", run_id=fakes[0].id)
        await at.press("5")
        matrix = at.screen.query_one(ConfusionMatrix)
        await at.until(lambda: matrix.evaluation is not None)
        await at.press("slash")
        await at.type("kind g")
        assert matrix.evaluation.classes[matrix.row] == "kind g"
        wrong = np.delete(matrix.evaluation.confusion[matrix.row], matrix.row)
        shown = matrix.evaluation.confusion[matrix.row, matrix.column]
        assert shown == wrong.max() or not wrong.any()


async def test_the_whole_log_shows_lines_whole_and_finds_what_stands_at_their_end(store):
    fake = FakeRun(store, "one").train(100)
    for number in range(60):
        fake.log.write(number, "info", f"line {number}: " + "validation loss 0.1, " * 6 + f"at the end {number}.")
    fake.status("finished")
    async with opened(store, (80, 24)) as at:
        await at.show("run", run_id=fake.id)
        await at.see("line 59: validation loss")
        assert "at the end 59." not in at.text(), "beside the charts a line is one row"
        await at.press("3")
        await at.see("at the end 59.")
        log = at.screen.query_one("#log", LogView)
        assert log.scroll_offset.y == log.max_scroll_y
        await at.press("slash")
        await at.type("end 7.")
        await at.see("1 of 1", "line 7: ", "at the end 7.")

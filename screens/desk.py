"""What one does with many runs: copy one with a key changed, hold one in the queue, tag it, look at the machine."""

import shlex
from pathlib import Path

from textual import work

from screens.ask_dialog import AskDialog
from screens.paths import folders_below, typed_path
from screens.run_controls import RunControls
from screens.widgets.picker import Choice
from vitbench.comparing.recipes import SEED
from vitbench.errors import UserError
from vitbench.nearest import perhaps_path
from vitbench.recipe import Recipe
from vitbench.runs.about import change_tags, read_about
from vitbench.runs.beginning import begin_from, recipe_from
from vitbench.runs.launcher import launch
from vitbench.runs.queue import hold, release


class Desk(RunControls):
    """The actions, for a screen whose keys act on the run that it calls current."""

    def action_machine(self) -> None:
        """What this machine is doing."""
        self.open_screen("machine")

    def action_sweep(self) -> None:
        """The newest sweep."""
        self.open_screen("sweep")

    def action_clone(self) -> None:
        """A new run with the recipe of this one; asks what is to be changed."""
        run = self.current_run()
        if run is None:
            return
        try:
            recipe = recipe_from(self.workbench.store.find(run.id))
        except UserError as error:
            self.workbench.tell(str(error), "error")
            return

        def answered(changes: str | None) -> None:
            if changes is not None:
                self._clone(run.id, changes)

        question = f'A new run like "{run.title}". What is to be changed? (train.seed=1,2,3: one run per seed)'
        dialog = AskDialog(question, lambda typed: keys_of(recipe, typed), label="Changes", empty="empty: nothing")
        self.app.push_screen(dialog, answered)

    @work(thread=True, group="clone")
    def _clone(self, run_id: str, changes: str) -> None:
        store = self.workbench.store
        try:
            parent = store.find(run_id)
            recipes = [recipe_from(parent, words).anchored() for words in for_each_seed(shlex.split(changes))]
            for recipe in recipes:
                child = begin_from(store, parent, recipe)
                started = launch(child)
                how = "started" if started is not None else "waits in the queue"
                name = child.status().name or child.id
                self.app.call_from_thread(self.workbench.tell, f'"{name}" {how}.')
                self.workbench.select_run(child.id)
        except (UserError, OSError, ValueError) as error:
            self.app.call_from_thread(self.workbench.tell, str(error), "error")
        self.workbench.watcher.wake()

    def action_watch_logs(self) -> None:
        """Another tool's TensorBoard logs are read too, from now on; a folder that is read already is taken away."""
        watcher, remembered = self.workbench.watcher, self.workbench.remembered

        def answered(path: str | None) -> None:
            if not path:
                return
            folder = typed_path(path).absolute()
            if folder in watcher.log_roots:
                rest = [root for root in watcher.log_roots if root != folder]
                said = f"{folder} is no longer read."
            elif not folder.is_dir():
                there = f"{folder} is not a folder." if folder.exists() else f"There is no folder {folder}"
                self.workbench.tell(there if folder.exists() else f"{there}{perhaps_path(folder)}.", "error")
                return
            else:
                rest = [*watcher.log_roots, folder]
                said = f"The TensorBoard logs below {folder} are read too."
            watcher.watch_logs(rest)
            remembered.set("logs", [str(root) for root in rest])
            self.workbench.tell(said)

        def places(typed: str) -> list[Choice]:
            """The folders that are read already, then what continues the line."""
            read = [str(root) for root in watcher.log_roots if typed in str(root)]
            known = [Choice(root, "read now: Enter takes it away") for root in read]
            here = str(typed_path(typed).absolute()) if typed else ""
            whole = [Choice(here, "the logs below this folder")] if here not in read and Path(here).is_dir() else []
            return [*known, *(whole if here else []), *(one for one in folders_below(typed) if one.more)]

        question = "A folder with TensorBoard logs of another tool, at any depth; nothing is written there"
        self.app.push_screen(AskDialog(question, places, label="Logs"), answered)

    def action_hold(self) -> None:
        """Keeps a waiting run from starting, or lets a held one start."""
        run = self.current_run()
        if run is None:
            return
        try:
            found = self.workbench.store.find(run.id)
            held = found.status().held
            (release if held else hold)(found)
        except (UserError, OSError) as error:
            self.workbench.tell(str(error), "warning")
            return
        self.workbench.tell(f'"{run.title}" {"may start" if held else "is held: H lets it start"}.')
        self.workbench.watcher.wake()

    def action_tags(self) -> None:
        """The run's tags, as words; those that are taken out of the line are taken away."""
        run = self.current_run()
        if run is None:
            return
        found = self.workbench.store.find(run.id)
        before = read_about(found).tags
        known = dict.fromkeys(tag for row in self.workbench.snapshot.runs for tag in row.tags)

        def answered(line: str | None) -> None:
            if line is None:
                return
            wanted = tuple(line.split())
            try:
                after = change_tags(found, wanted, tuple(tag for tag in before if tag not in wanted)).tags
            except (UserError, OSError) as error:
                self.workbench.tell(str(error), "error")
                return
            said = f"the tag{'s' * (len(after) > 1)} {', '.join(after)}" if after else "no tags"
            self.workbench.tell(f'"{run.title}" has {said}.')
            self.workbench.watcher.wake()

        def others(typed: str) -> list[Choice]:
            """The line with another tag of the store at its end."""
            head, _, last = typed.rpartition(" ")
            rest = [tag for tag in known if tag.startswith(last) and tag not in typed.split()]
            return [Choice(f"{head} {tag}".strip(), "a tag of other runs") for tag in rest]

        question = f'Tags of "{run.title}", as words'
        dialog = AskDialog(question, others, " ".join(before), label="Tags", empty="empty: no tags")
        self.app.push_screen(dialog, answered)


def for_each_seed(changes: list[str]) -> list[list[str]]:
    """The changes once for each seed of `train.seed=1,2,3`; as they are, where there is no such list."""
    for place, change in enumerate(changes):
        key, _, value = change.partition("=")
        if key == SEED and "," in value:
            seeds = [seed for seed in value.split(",") if seed]
            return [[*changes[:place], f"{key}={seed}", *changes[place + 1 :]] for seed in seeds]
    return [changes]


def keys_of(recipe: Recipe, typed: str) -> list[Choice]:
    """What may be typed next: `table.key=value` with the value as it is now."""
    head, _, last = typed.rpartition(" ")
    found = []
    for name, table in recipe.model_dump(mode="json").items():
        for key, value in table.items() if isinstance(table, dict) else ():
            path = f"{name}.{key}"
            if last.partition("=")[0] in path and "=" not in last and not isinstance(value, dict):
                text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
                found.append(Choice(f"{head} {path}={text}".strip(), "now" if text else "not set", more=True))
    return found[:200]

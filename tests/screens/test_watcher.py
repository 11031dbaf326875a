"""What the reader of the store makes of folders that change under it."""

from fake_runs import FakeRun

from screens.watcher import Watcher
from vitbench.runs.store import Run, Store


class DeletingStore(Store):
    """A store that somebody else deletes a run from just after it was listed."""

    doomed: str = ""

    def folders(self):
        found = super().folders()
        if self.doomed in found:
            self.remove(Run(self.runs_folder / self.doomed))
        return found


def test_a_run_deleted_while_it_is_read_is_gone_and_not_crashed(store):
    kept, doomed = FakeRun(store, "kept"), FakeRun(store, "doomed")
    for run in (kept, doomed):
        run.status("running")
    deleting = DeletingStore(store)
    watcher = Watcher(deleting, lambda snapshot: None)
    assert {row.name for row in watcher.poll().runs} == {"kept", "doomed"}
    deleting.doomed = doomed.run.id
    assert [row.name for row in watcher.poll().runs] == ["kept"]

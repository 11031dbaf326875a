"""Long work between steps is told in the status, with what is left of it."""

from vitbench.runs.process import this_process
from vitbench.runs.status import Activity, Status, read_status, write_status
from vitbench.training.heartbeat import Heartbeat


def test_the_sentence_counts_and_foresees():
    activity = Activity(what="evaluating", done=300, total=900, began=100.0)
    assert activity.sentence(110.0) == "evaluating, 300 of 900, 20 s left"
    assert activity.sentence(100.5) == "evaluating, 300 of 900"
    assert Activity(what="evaluating", done=900, total=900, began=100.0).sentence(130.0) == "evaluating, 900 of 900"
    assert Activity(what="starting", began=100.0).sentence(130.0) == "starting"


def test_its_beginning_is_kept_while_it_lasts_and_it_can_be_read_back(tmp_path):
    write_status(tmp_path, Status(state="running", process=this_process()))
    heartbeat = Heartbeat(tmp_path, read_status(tmp_path))
    heartbeat.doing("looking at each picture", 1, 50)
    began = heartbeat.progress.doing.began
    heartbeat.doing("looking at each picture", 2, 50)
    heartbeat.write()
    assert read_status(tmp_path).doing == Activity(what="looking at each picture", done=2, total=50, began=began)
    heartbeat.doing("evaluating", 0, 50)
    assert heartbeat.progress.doing.began >= began
    heartbeat.write(doing=None)
    assert read_status(tmp_path).doing is None

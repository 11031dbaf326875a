"""Long work between steps is told in the status, with what is left of it."""

from vitbench.runs.status import Activity, Status, read_status
from vitbench.training.heartbeat import Heartbeat


def test_the_sentence_counts_and_foresees():
    activity = Activity(what="evaluating", done=300, total=900, began=100.0)
    assert activity.sentence(110.0) == "evaluating, 300 of 900, 20 s left"
    assert activity.sentence(100.5) == "evaluating, 300 of 900"
    assert Activity(what="evaluating", done=900, total=900, began=100.0).sentence(130.0) == "evaluating, 900 of 900"
    assert Activity(what="starting", began=100.0).sentence(130.0) == "starting"


def test_its_beginning_is_kept_while_it_lasts_and_it_can_be_read_back(tmp_path):
    heartbeat = Heartbeat(tmp_path, Status())
    heartbeat.doing("looking at each picture", 1, 50)
    began = heartbeat.status.doing.began
    heartbeat.doing("looking at each picture", 2, 50)
    heartbeat.write()
    assert read_status(tmp_path).doing == Activity(what="looking at each picture", done=2, total=50, began=began)
    heartbeat.doing("evaluating", 0, 50)
    assert heartbeat.status.doing.began >= began
    heartbeat.stop(doing=None)
    assert read_status(tmp_path).doing is None

"""Anybody's event files: one level down or more, one file, compressed, cut; and what is none is said."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from vitbench.cli import main
from vitbench.errors import UserError
from vitbench.watching.event_files import read_event_files


def write(folder: Path, tag: str = "loss", count: int = 3) -> Path:
    writer = EventFileWriter(str(folder))
    for step in range(count):
        value = Summary(value=[Summary.Value(tag=tag, simple_value=step / 2)])
        writer.add_event(Event(step=step, wall_time=1000.0 + step, summary=value))
    writer.close()
    return next(folder.glob("events.out.tfevents.*"))


@pytest.fixture
def logs(tmp_path):
    """What Keras, Lightning and Hugging Face write, in one folder."""
    write(tmp_path / "logs" / "train", "epoch_loss")
    write(tmp_path / "logs" / "validation", "epoch_loss")
    write(tmp_path / "logs" / "lightning_logs" / "version_0", "loss")
    write(tmp_path / "logs" / "runs" / "Nov26_10-00-00_host" / "1700000000.1", "hparams")
    return tmp_path / "logs"


def test_event_files_at_any_depth(logs):
    found = read_event_files(logs).series
    assert set(found) == {
        "train/epoch_loss",
        "validation/epoch_loss",
        "lightning_logs/version_0/loss",
        "runs/Nov26_10-00-00_host/1700000000.1/hparams",
    }
    assert found["train/epoch_loss"].values.tolist() == [0.0, 0.5, 1.0]


def test_one_file_a_compressed_one_and_one_of_another_name(tmp_path):
    file = write(tmp_path / "run")
    packed = tmp_path / (file.name + ".gz")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    renamed = tmp_path / "my.tfevents"
    renamed.write_bytes(file.read_bytes())
    for path in (file, packed, renamed):
        assert read_event_files(path).series["loss"].steps.tolist() == [0, 1, 2]
    packed.write_bytes(packed.read_bytes()[:-20])
    cut = read_event_files(tmp_path)
    assert cut.series["run/loss"].steps.tolist() == [0, 1, 2]
    assert any("cannot be unpacked" in problem for problem in cut.problems)


def test_what_is_no_log_is_said(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "loop").symlink_to(tmp_path / "logs")
    with pytest.raises(UserError, match="no TensorBoard event files"):
        read_event_files(tmp_path / "logs")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UserError, match="holds no scalars"):
        read_event_files(tmp_path / "notes.txt")


def test_the_command_takes_any_path(logs, tmp_path):
    environment = {**os.environ, "VITBENCH_HOME": str(tmp_path / "home")}

    def metrics(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "vitbench", "metrics", *arguments]
        return subprocess.run(
            command, cwd=logs.parent, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    answer = metrics("logs", "--tag", "train/epoch_loss")
    assert answer.stdout.splitlines() == [
        "tag,step,wall_time,value",
        "train/epoch_loss,0,1000.0,0.0",
        "train/epoch_loss,1,1001.0,0.5",
        "train/epoch_loss,2,1002.0,1.0",
    ]
    (logs.parent / "empty").mkdir()
    answer = metrics("empty")
    assert answer.returncode == 2
    assert "There is no run" not in answer.stderr
    assert "any depth" in metrics("--help").stdout


def test_files_without_scalars_packed_ones_and_missing_paths_are_said(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "events.out.tfevents.1.host").write_bytes(b"")
    assert read_event_files(tmp_path / "empty").problems == [
        f"1 event file in {tmp_path / 'empty'}, and no scalar there."
    ]
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "events.out.tfevents.1.host.bz2").write_bytes(b"BZh9")
    assert "is packed, and not as .gz: unpack it" in read_event_files(tmp_path / "packed").problems[0]
    for name, said in (
        ("results.csv", "Ultralytics"),
        ("summary.csv", "timm's train.py"),
        ("a.log.json", "OpenMMLab"),
        ("meta.yaml", "MLflow"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("a,b")
        with pytest.raises(UserError, match=said):
            read_event_files(tmp_path / name)
    assert main(["metrics", str(tmp_path / "nowhere")]) == 2
    assert f"There is no file or folder {tmp_path / 'nowhere'}" in capsys.readouterr().err

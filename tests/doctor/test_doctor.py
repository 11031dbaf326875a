"""`vitbench doctor`: what it finds on machines that are not this one, and that it is quick on this one."""

import importlib.metadata
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from vitbench.doctor import examine, machine, place, session
from vitbench.doctor.finding import Finding

MOUNTS = r"""22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:40 / /home rw,relatime shared:1 - nfs4 server:/home rw,vers=4.2,local_lock=none
31 22 0:41 / /old rw,relatime - nfs server:/old rw,vers=3,nolock,local_lock=all
32 22 0:42 / /with\040space rw - lustre mgs:/l rw,localflock
33 22 0:43 / /over rw - nfs4 server:/over rw
34 33 8:2 / /over rw - xfs /dev/sdb1 rw
broken
"""


@pytest.mark.parametrize(
    ("folder", "kind", "network"),
    [
        ("/data/x", "ext4", False),
        ("/home/ann/store", "nfs4", True),
        ("/homes", "ext4", False),
        ("/old/deep/down", "nfs", True),
        ("/with space/store", "lustre", True),
        ("/over/x", "xfs", False),
    ],
)
def test_the_mount_of_a_folder(folder: str, kind: str, network: bool) -> None:
    mount = place.mount_of(Path(folder), MOUNTS)
    assert (mount.kind, mount.is_network) == (kind, network)


def locks_on(monkeypatch: pytest.MonkeyPatch, mount: place.Mount, held: bool | str | None, folder: Path) -> Finding:
    monkeypatch.setattr(place, "mount_of", lambda _: mount)
    monkeypatch.setattr(place, "_lock_holds", lambda _: held)
    return place.locks(folder)


def test_locks_on_network_drives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nfs = place.Mount("nfs4", frozenset({"local_lock=none"}))
    assert locks_on(monkeypatch, nfs, True, tmp_path).is_fine
    assert locks_on(monkeypatch, nfs, False, tmp_path).serious
    assert "Function not implemented" in locks_on(monkeypatch, nfs, "Function not implemented", tmp_path).advice
    unseen = locks_on(monkeypatch, place.Mount("nfs", frozenset({"nolock"})), True, tmp_path)
    assert unseen.advice.startswith("Other machines do not see its locks")
    assert not unseen.serious
    assert locks_on(monkeypatch, nfs, None, tmp_path).is_fine


def test_a_lock_keeps_another_process_out_here(tmp_path: Path) -> None:
    assert place._lock_holds(tmp_path) is True
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_holds_nobody_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(place.fcntl, "flock", lambda *_: None)
    assert place._lock_holds(tmp_path) is False


def test_a_store_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    store = tmp_path / "a" / "b"
    assert place.writing(store).is_fine
    assert place.disk(store).words.endswith("GB free")
    assert not store.parent.exists()


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(28, "No space left on device")])
def test_a_store_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: OSError) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(place.tempfile, "TemporaryFile", fail)
    finding = place.writing(tmp_path)
    assert finding.serious
    assert "--store" in finding.advice


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = SimpleNamespace(total=100 * place.GIB, free=place.GIB // 4)
    monkeypatch.setattr(place.shutil, "disk_usage", lambda _: usage)
    assert place.disk(tmp_path).serious


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({}, False),
        ({"logind.conf": "[Login]\n#KillUserProcesses=yes\n"}, False),
        ({"logind.conf": "[Login]\nKillUserProcesses=yes\n"}, True),
        ({"logind.conf": "KillUserProcesses=yes\n", "logind.conf.d/50-no.conf": "KillUserProcesses = no\n"}, False),
        ({"logind.conf": "KillUserProcesses=no\n", "logind.conf.d/50.conf": "KillUserProcesses=yes\n"}, True),
        ({"logind.conf": "KillUserProcesses=yes\nKillExcludeUsers=root ann\n"}, False),
        ({"logind.conf": "KillUserProcesses=yes\nKillOnlyUsers=bob\n"}, False),
    ],
)
def test_what_logind_is_told(tmp_path: Path, files: dict[str, str], kills: bool) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert session.kills_user_processes("ann", (tmp_path,)) is kills
    assert session.kills_user_processes("root", (tmp_path,)) is False


def test_logout_under_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_name_of_first_process", lambda: "systemd")
    monkeypatch.setattr(session.Path, "is_dir", lambda _: True)
    monkeypatch.setattr(session, "kills_user_processes", lambda _: True)
    monkeypatch.setattr(session, "lingers", lambda _: False)
    assert "enable-linger" in session.logout({}).advice
    monkeypatch.setattr(session, "lingers", lambda _: True)
    assert session.logout({}).is_fine
    assert "SLURM" in session.logout({"SLURM_JOB_ID": "1"}).words


def test_torch_and_torchvision_are_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ["numpy", "torch (==2.14.0)", "pillow!=8.3.*"])
    monkeypatch.setattr(machine, "_build", lambda _: None)
    assert machine._pair_advice("2.14.0", "0.29.0") == ""
    assert machine._pair_advice("2.14.0+cu130", "0.29.0") == ""
    assert "needs torch==2.14.0" in machine._pair_advice("2.15.0", "0.29.0")
    monkeypatch.setattr(machine, "_build", {"torch": "CUDA 13.2", "torchvision": "the CPU"}.get)
    assert "torch for CUDA 13.2 and torchvision for the CPU" in machine._pair_advice("2.14.0", "0.29.0")


def test_a_gpu_that_torch_does_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "seen_gpus", lambda: [SimpleNamespace(number=0), SimpleNamespace(number=1)])
    monkeypatch.setattr(machine, "gpu_and_driver", lambda: ("NVIDIA H100", "535.1"))
    monkeypatch.setattr(machine, "hidden_by_mistake", lambda: None)
    answer = {"available": False, "count": 0, "why": "It needs driver 580.", "pair": None}
    monkeypatch.setattr(machine, "_asked_torch", lambda: answer)
    finding = machine.gpus({})
    assert finding.words == "2 (NVIDIA H100), driver 535.1"
    assert finding.serious
    assert finding.advice == "It needs driver 580."
    answer |= {"available": True, "count": 2}
    assert machine.gpus({}).is_fine
    answer["pair"] = "RuntimeError: operator torchvision::nms does not exist"
    assert "nms" in machine.gpus({}).advice
    assert machine.gpus({"CUDA_VISIBLE_DEVICES": ""}).is_fine


def test_an_extra_that_a_setting_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_version", lambda _: None)
    assert all(finding.is_fine for finding in machine.extras({}))
    wanted = [finding for finding in machine.extras({"VITBENCH_GRAPHICS": "sixel"}) if not finding.is_fine]
    assert [finding.topic for finding in wanted] == ["Extra graphics"]


def test_text_from_the_environment_is_cleaned(tmp_path: Path) -> None:
    findings = examine(tmp_path, environment={"TERM": "evil\x1b[2J", "VITBENCH_ASCII": "\x1b]0;x\x07"})
    assert "\x1b" not in json.dumps([finding.as_dict() for finding in findings], ensure_ascii=False)


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vitbench", "doctor", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "TERM": "xterm-256color", **environment},
        check=False,
    )


def test_the_command_in_words_and_as_json(store: Path) -> None:
    store.mkdir()
    (store / "screens.json").write_text('{"colours": "16"}')
    began = time.monotonic()
    done = doctor("--json")
    assert time.monotonic() - began < 20  # about one second on a quiet machine; an import of torch takes several
    findings = {entry["topic"]: entry for entry in json.loads(done.stdout)}
    assert {"Python", "Packages", "GPU", "Memory", "Store", "Disk", "Locks", "Colours", "Logout"} <= set(findings)
    assert findings["Colours"]["words"] == "16 colours (the app's setting, 16)"
    assert findings["Packages"]["state"] == "fine"
    assert all((entry["state"] == "fine") == (entry["advice"] == "") for entry in findings.values())
    assert done.returncode == any(entry["state"] == "problem" for entry in findings.values())
    words = doctor().stdout
    assert all(topic in words for topic in findings)
    assert "COLORTERM=truecolor" not in words


def test_torch_is_not_imported_where_there_is_no_gpu(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from vitbench.doctor import examine\n"
    program += f"examine(Path({str(tmp_path)!r})); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

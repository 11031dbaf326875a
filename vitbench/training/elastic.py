"""One run in several processes: torch elastic starts them, watches them, and starts all of them again if one is killed.

The worker of the run is the agent. It holds the run's lock and its GPUs, beats, and writes the state; the processes
(`vitbench.training.rank`) are its children and die with it. They tell it by files in `ranks/` of the run folder: their
progress, and the outcome, which the first that has one writes. A process that is killed leaves no outcome, so all are
started again from the last checkpoint.
"""

import contextlib
import os
import shutil
import socket
import sys
import tempfile
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object, to_json
from vitbench.files.reading import RECORD
from vitbench.files.writing import write_whole
from vitbench.runs.children import die_with_parent
from vitbench.runs.lease import HANDED_OVER, bind_process
from vitbench.runs.states import State
from vitbench.runs.status import progress_file
from vitbench.runs.store import Run
from vitbench.training.control import Control
from vitbench.training.heartbeat import Heartbeat
from vitbench.training.outcome import Outcome

FOLDER = "ranks"
LEAVE = "VITBENCH_LEAVE"
"""The environment variable that names a file of this machine: where it is, the processes save and leave."""
RESTARTS = 10
"""How often the processes of a run are started again after one of them was killed; each out-of-memory costs one too."""
_OUTCOME, _BATCH = "outcome.json", "batch.json"


@dataclass(frozen=True)
class RanksOutcome:
    """How the processes of a run ended: as a worker's outcome is written down."""

    state: State
    error: str | None
    code: int


def write_outcome(run: Run, outcome: RanksOutcome) -> None:
    """Tells the agents how the run ends. The first who says it is right: what follows are its consequences."""
    file = run.folder / FOLDER / _OUTCOME
    if not file.exists():
        write_whole(file, to_json(asdict(outcome)))


def read_outcome(run: Run) -> RanksOutcome | None:
    """How the run ended; None while nobody has said it."""
    try:
        told = read_json_object(run.folder / FOLDER / _OUTCOME, RECORD)
        state, error, code = told["state"], told["error"], told["code"]
    except (UserError, OSError, KeyError):
        return None
    if state not in get_args(State) or not isinstance(error, str | None) or not isinstance(code, int):
        return None
    return RanksOutcome(state, error, code)


def write_batch(run: Run, batch_size: int, accumulate: int) -> None:
    """Keeps the smaller batch with which all processes are to begin again."""
    write_whole(run.folder / FOLDER / _BATCH, to_json({"batch_size": batch_size, "accumulate": accumulate}))


def read_batch(run: Run) -> tuple[int, int] | None:
    """The batch that memory has forced on the run, and how many make a step; None without such a one."""
    try:
        told = read_json_object(run.folder / FOLDER / _BATCH, RECORD)
        batch_size, accumulate = told["batch_size"], told["accumulate"]
    except (UserError, OSError, KeyError):
        return None
    train = run.recipe().train
    fits = isinstance(batch_size, int) and isinstance(accumulate, int)
    return (batch_size, accumulate) if fits and batch_size * accumulate == train.batch_size * train.accumulate else None


def lead(run: Run, control: Control, heartbeat: Heartbeat, outcome: Outcome) -> State:
    """Trains the run in several processes, and says how it ended. Raises UserError if they are killed again and again.

    A signal to this process (pause) is passed on to them; what is asked in the run folder rank 0 reads itself.
    """
    folder = run.folder / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / _OUTCOME).unlink(missing_ok=True)
    progress_file(folder).unlink(missing_ok=True)
    heartbeat.follow(folder)
    serve(run, control)
    heartbeat.catch_up()
    found = read_outcome(run)
    if found is None:
        raise UserError(
            f"The processes of the run ended {RESTARTS + 1} times without a word, as if killed (by the system, when "
            "memory runs out?); worker.log may say more. Resume it when there is more room."
        )
    outcome.error, outcome.code = found.error, found.code
    return found.state


def serve(run: Run, control: Control | None = None) -> None:
    """Runs the processes of one machine until the run has ended; those of other machines join them by rendezvous.

    The environment names the rendezvous (VITBENCH_RENDEZVOUS, HOST:PORT), which on one machine is left out.
    """
    import torch.distributed.launcher.api as launcher
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    recipe = run.recipe()
    bind_process(recipe.train.device, recipe.launch.gpus)  # one of SLURM has none from a launcher
    with tempfile.TemporaryDirectory(prefix="vitbench-agent-") as scratch:
        leave = Path(scratch) / "leave"
        environment = {
            # A killed process took the shared store of the rendezvous along, and the others waited for ever.
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
            # Processes that hang in a collective do not hear a signal: they are killed at once.
            "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "1",
            "TORCHELASTIC_SIGNALS_TO_HANDLE": "SIGQUIT",
            LEAVE: str(leave),
        }
        endpoint = os.environ.get("VITBENCH_RENDEZVOUS", "")
        if not endpoint:
            environment.setdefault("GLOO_SOCKET_IFNAME", "lo")
        with _environment(environment):
            config: dict[str, Any] = {
                "min_nodes": recipe.launch.nodes,
                "max_nodes": recipe.launch.nodes,
                "nproc_per_node": recipe.launch.on_node,
                "run_id": os.environ.get("VITBENCH_RENDEZVOUS_ID", uuid.uuid4().hex),
                "rdzv_backend": "c10d",
                "rdzv_endpoint": endpoint or f"127.0.0.1:{_free_port()}",
                "rdzv_configs": {"timeout": 900},
                "local_addr": os.environ.get("VITBENCH_ADDRESS") or (None if endpoint else "127.0.0.1"),
                "max_restarts": RESTARTS,
                "logs_specs": DefaultLogsSpecs(log_dir=scratch),
            }
            if "signals_to_handle" in launcher.LaunchConfig.__dataclass_fields__:
                config["signals_to_handle"] = "SIGQUIT"
            if control is not None:
                control.when_signalled = leave.touch
                if control.is_signalled:
                    leave.touch()
            command = ["-u", "-m", "vitbench.training.rank", str(run.folder)]
            with contextlib.suppress(ChildFailedError):  # the outcome, or that there is none, says it
                launcher.elastic_launch(launcher.LaunchConfig(**config), sys.executable)(*command)
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def _environment(changes: dict[str, str]) -> Any:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def take_own_gpu() -> None:
    """Lets this process see the one GPU of those of its agent that is its own, by its rank on this machine."""
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    place = int(os.environ.get("LOCAL_RANK", "0"))
    os.environ.pop(HANDED_OVER, None)  # it is the agent's, whose end is ours
    if len(visible) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[place]


def follow_other_machine(folder: Path) -> int:
    """The agent of a machine that is not the run's own: `python -m vitbench.training.elastic RUN_FOLDER`."""
    run = Run(folder)
    control = Control(run)
    with control.listening():
        serve(run, control)
    return 0


if __name__ == "__main__":
    if os.environ.get("VITBENCH_DIE_WITH_PARENT"):
        die_with_parent()
    sys.exit(follow_other_machine(Path(sys.argv[1]).absolute()))

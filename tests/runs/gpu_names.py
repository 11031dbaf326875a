"""GPUs by name alone, and a false NVML, for tests on machines without any."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vitbench.runs.lease import Gpu, Lease, allowed_gpus, take

FALSE_NVML = Path(__file__).with_name("false_nvml")


def usable_gpus() -> list[str]:
    """The names of the GPUs that may be used here."""
    return [gpu.name for gpu in allowed_gpus()]


def take_gpu(names: Sequence[str]) -> Lease | None:
    """A lease of the first of these that is free."""
    lease = take([Gpu(name) for name in names])
    return lease if isinstance(lease, Lease) else None


class FalseNvml:
    """What the false NVML answers, in this process and in those that it starts. Sizes in GiB."""

    def __init__(self, file: Path, monkeypatch: Any) -> None:
        self.file = file
        monkeypatch.setenv("FALSE_NVML", str(file))
        monkeypatch.setenv("PYTHONPATH", str(FALSE_NVML))
        monkeypatch.syspath_prepend(str(FALSE_NVML))
        monkeypatch.delitem(sys.modules, "pynvml", raising=False)
        monkeypatch.delenv("VITBENCH_GPUS")
        self.gpus()

    def gpus(self, *gpus: dict[str, Any], driver: str = "580.159.04") -> None:
        """Replaces the GPUs: `uuid`, `name`, `total`, `free`, `processes` as {pid: size}, `mig` as more such."""
        self.file.write_text(json.dumps({"gpus": gpus, "driver": driver}))

    def missing(self) -> None:
        """From now on there is no NVML."""
        self.file.unlink(missing_ok=True)

"""What runs inside a SLURM job, without SLURM."""

import os
import signal
import subprocess
import sys

from vitbench.runs.slurm_job import _exit_code


def test_the_exit_code_can_be_asked_in_a_signal_that_comes_while_it_is_waited_for():
    """As SIGUSR2 does before the time limit: its handler waits for the worker to save."""
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    codes = []

    def notice(number, frame):
        process.terminate()
        codes.append(_exit_code(process))

    before = signal.signal(signal.SIGALRM, notice)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        codes.append(_exit_code(process))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert codes == [-signal.SIGTERM, -signal.SIGTERM]
    assert os.waitpid(process.pid, 0)[0] == process.pid

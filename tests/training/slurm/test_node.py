"""The machine in miniature: what its power cut reaches."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.training.slurm import node
from tests.training.slurm.cluster import until

LEAVE = "import os; os.setsid(); os.execvp('sleep', ['sleep', '300'])"
DETACHED = (
    f'({sys.executable} -c "{LEAVE}" </dev/null >/dev/null 2>&1 &) ; '
    f'({sys.executable} -c "{LEAVE}" &) ; sleep 302'
)
STARTER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, sys.argv[1], "sh", "-c", sys.argv[2]], stdin=subprocess.PIPE)
time.sleep(300)
"""


def test_nothing_outlives_whoever_started_it():
    """Slurm's daemons detach what they start, and a test run may end by SIGKILL."""
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(Path(node.__file__)), DETACHED])
    try:
        sleeping = set[psutil.Process]()

        def all_there() -> bool:
            below = psutil.Process(starter.pid).children(recursive=True)
            sleeping.update(p for p in below if p.name() == "sleep")
            return len(sleeping) == 3

        until("three sleepers", all_there)
    finally:
        starter.send_signal(signal.SIGKILL)
        starter.wait()
    until("their end", lambda: not any(p.is_running() for p in sleeping))

"""The emulator's process: it answers on loopback, and it never outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ultracluster.emulator import process
from ultracluster.emulator.process import Emulator, EmulatorError

PARENT = """
import sys, time
from ultracluster.emulator.process import Emulator
emulator = Emulator().__enter__()
print(emulator._process.pid, emulator.log_path.parent, flush=True)
time.sleep(60)
"""


def test_the_child_goes_when_its_parent_is_killed():
    """SIGKILL leaves a parent no time to clean up, so the child watches a pipe instead."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid, state = parent.stdout.readline().split()
        assert psutil.pid_exists(int(pid))

        parent.send_signal(signal.SIGKILL)
        parent.wait()

    deadline = time.monotonic() + 5
    while psutil.pid_exists(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not psutil.pid_exists(int(pid))
    assert not Path(state).exists()


def test_it_listens_on_loopback_only(cloud):
    """An emulated AWS must not be reachable from the network."""
    pid = cloud.emulator._process.pid
    port = int(cloud.emulator.endpoint_url.rsplit(":", 1)[1])
    listening = {
        connection.laddr.ip
        for connection in psutil.Process(pid).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    }

    assert listening == {"127.0.0.1"}


def test_the_environment_keeps_profiles_and_metadata_out(cloud):
    """A forgotten profile must not send a rehearsal to a real account."""
    environment = cloud.emulator.environment()

    assert environment["AWS_ENDPOINT_URL"] == cloud.emulator.endpoint_url
    assert environment["AWS_ACCESS_KEY_ID"] == cloud.emulator.account
    assert environment["AWS_CONFIG_FILE"] == os.devnull
    assert environment["AWS_EC2_METADATA_DISABLED"] == "true"


def test_a_child_that_cannot_start_says_why(monkeypatch):
    """The end of its log is in the error, so that nobody has to look for a file."""
    monkeypatch.setattr(process, "MODULE", "ultracluster.emulator.no_such_module")

    with pytest.raises(EmulatorError, match="No module named"):
        Emulator().__enter__()


def test_stopping_removes_the_state():
    """Nothing is left in the temporary folder, however often a rehearsal runs."""
    emulator = Emulator()
    with emulator:
        state = emulator.log_path.parent
        assert state.exists()

    assert not state.exists()

"""The record of a run: every line, in its order, whole, whatever the disk does."""

import errno
import json
import os
import subprocess
import sys

import pytest

from tests.training.training_cases import ENVIRONMENT, ROOT
from training import record
from training.record import Record


class Disk:
    """os.write on a disk that is full for some calls, and takes a part of the last line before."""

    def __init__(self, full: set[int]) -> None:
        self.full, self.calls, self.real = full, 0, os.write

    def __call__(self, file: int, data: bytes) -> int:
        self.calls += 1
        if self.calls in self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.calls + 1 in self.full:
            return self.real(file, data[: len(data) // 2])
        return self.real(file, data)


@pytest.fixture
def said():
    return []


def lines(folder) -> list[int]:
    text = (folder / record.FILE).read_text()
    assert text.endswith("\n")
    return [json.loads(line)["n"] for line in text.splitlines()]


def test_a_full_disk_only_delays_lines(tmp_path, monkeypatch, said):
    written = Record(tmp_path, said.append)
    monkeypatch.setattr("os.write", Disk({3, 4, 5, 9}))
    for n in range(20):
        written.write({"n": n})
    monkeypatch.undo()
    written.close()
    assert lines(tmp_path) == list(range(20))
    assert len(said) == 4
    assert "cannot be written (No space left on device); training goes on" in said[0]
    assert "is written again, with every line that has waited" in said[1]


def test_a_disk_that_is_full_at_the_start_only_delays_them_too(tmp_path, monkeypatch, said):
    real, full = os.open, [True]

    def opened(path, *given):
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, *given)

    monkeypatch.setattr("os.open", opened)
    written = Record(tmp_path, said.append)
    written.write({"n": 0})
    full.clear()
    written.write({"n": 1})
    written.close()
    assert lines(tmp_path) == [0, 1]
    assert len(said) == 2


def test_waiting_lines_do_not_fill_the_memory(tmp_path, monkeypatch, said):
    monkeypatch.setattr(record, "MOST_WAITING", 2000)
    written = Record(tmp_path, said.append)
    monkeypatch.setattr("os.write", Disk(set(range(1, 500))))
    for n in range(400):
        written.write({"n": n})
    assert len(written.waiting) <= 2100
    monkeypatch.undo()
    written.write({"n": 400})
    written.close()
    kept = lines(tmp_path)
    assert kept[0] == 0
    assert kept[1:] == list(range(kept[1], 401)), "the newest are kept"


@pytest.mark.parametrize("torn", ['{"n": 2, "lo', "\n\0\0\0\0", "x" * 10_000])
def test_what_a_crash_left_of_a_line_is_removed(tmp_path, said, torn):
    (tmp_path / record.FILE).write_text('{"n": 0}\n{"n": 1}\n' + torn.lstrip("\n"))
    written = Record(tmp_path, said.append)
    written.write({"n": 2})
    written.close()
    assert lines(tmp_path) == [0, 1, 2]


SAYING = """
import sys
from training.record import say
for number in range(20_000):
    say(f"line {number}")
sys.stderr.write("went on")
"""


def test_a_reader_that_has_gone_ends_nothing():
    """`| head` on a run's output, or a terminal that was closed."""
    with subprocess.Popen(
        [sys.executable, "-c", SAYING],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == "went on"
    assert process.returncode == 0

"""What a node tells where a part of it cannot be asked."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.observe.node import START, FakeNode


@pytest.mark.parametrize("said", ["read_bytes 8 samples [b]\n", ""])
def test_disks_that_the_client_does_not_name_do_not_hide_that_lustre_is_mounted(
    tmp_path: Path, said: str
):
    """Its age would wake somebody because Lustre were away."""
    node = FakeNode(tmp_path, "night", "n1")
    node.answers["lctl get_param -n osc.*.kbytesavail"] = said
    text = node.scrape(START)

    assert re.search(r"ultracluster_lustre_mounted{.*} 1\.0", text)
    assert "ultracluster_lustre_read_bytes" in text
    assert "ultracluster_lustre_target_free_ratio" not in text


@pytest.mark.parametrize(("seconds", "served"), [(10, 1), (400, 0)])
def test_a_program_that_ended_by_its_loss_is_told_of_for_some_minutes(
    tmp_path: Path, seconds: int, served: int
):
    """It may have ended before anybody asked; a dead rank is not overdue beside it."""
    node = FakeNode(tmp_path, "night", "n1")
    dead = subprocess.Popen(["/bin/true"])
    dead.wait()
    file = tmp_path / f"run/ultracluster/metrics/rank0.{dead.pid}.prom"
    file.write_text(
        'ultracluster_job_loss_finite{rank="0"} 0.0\nultracluster_rank_due_seconds{rank="0"} 9.0\n'
    )
    os.utime(file, (START - seconds, START - seconds))
    text = node.scrape(START)

    assert len(re.findall(r"ultracluster_job_loss_finite{.*} 0\.0", text)) == served
    assert "ultracluster_rank_due_seconds" not in text
    assert "ultracluster_program_state" not in text


def test_a_process_that_has_the_number_of_one_that_ended_is_no_rank_that_hangs(tmp_path: Path):
    """Numbers of processes come again."""
    node = FakeNode(tmp_path, "night", "n1")
    with subprocess.Popen(["/bin/sleep", "60"]) as other:
        file = tmp_path / f"run/ultracluster/metrics/rank0.{other.pid}.prom"
        file.write_text('ultracluster_rank_due_seconds{rank="0"} 9.0\n')
        its_own = node.scrape(START)
        os.utime(file, (file.stat().st_mtime - 60,) * 2)
        left_behind = node.scrape(START)
        other.kill()

    assert "ultracluster_rank_due_seconds" in its_own
    assert "ultracluster_rank_due_seconds" not in left_behind

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


def test_a_step_whose_slurmstepd_died_hides_no_other_job(tmp_path: Path):
    """`scontrol listpids` lists the others and ends with 1: no series of the node had a job."""
    node = FakeNode(tmp_path, "night", "n1")
    node.job(7, "ada")
    rows = f"Unable to connect to slurmstepd: No such file\n{node.answers['scontrol']}"
    node.answers["scontrol"] = node.error("scontrol failed with status 1: Unable", rows)
    text = node.scrape(START)

    assert re.search(r'ultracluster_gpus{.*job_id="7",user="ada"} 8\.0', text)
    node.answers["scontrol"] = node.error("scontrol cannot be run: No such file")
    assert 'collector="jobs"} 100.0' in node.scrape(START + 100)


@pytest.mark.parametrize("text", ["job_loss 1..5\n", "\xff"])
def test_what_one_user_writes_hides_no_other_program(tmp_path: Path, text: str):
    """Everybody may write there."""
    node = FakeNode(tmp_path, "night", "n1")
    folder = tmp_path / "run/ultracluster/metrics"
    (folder / f"a.{os.getpid()}.prom").write_text(text, encoding="latin-1")
    (folder / "b.x.prom").symlink_to("/nowhere")
    os.mkfifo(folder / f"c.{os.getpid()}.prom")
    node.program("ultracluster_job_loss 2.5\n")

    assert re.search(r"ultracluster_job_loss{.*} 2\.5", node.scrape(START))


def test_odd_names_and_reasons_stay_what_they_are(tmp_path: Path):
    """A reason of two lines took all series of Slurm away."""
    node = FakeNode(tmp_path, "night", "login", login=True)
    rows = ('n1|drained|cable "3"', "ask Ada | Bob", "n2|down*|é", "n3|idle|none", "")
    node.answers["sinfo"] = "\n".join(rows)
    node.answers["squeue"] = "RUNNING|train|d.ada|None\nPENDING|a,b|CORP\\ada|(Priority)\n"
    text = node.scrape(START)

    assert 'slurm_node="n1",state="drained",reason="cable \\"3\\""} 1.0' in text
    assert 'slurm_node="n2",state="down*",reason="é"} 1.0' in text
    assert 'queue="a,b",slurm_user="CORP\\\\ada",reason="(Priority)"} 1.0' in text
    assert re.search('slurm_nodes{.*state="idle"} 1', text)


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

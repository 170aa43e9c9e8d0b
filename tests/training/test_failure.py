"""Whoever fails first is named once, with node and time; the other ranks are quiet."""

import json
import socket

import pytest

from tests.training.training_cases import python


@pytest.mark.parametrize(
    ("how", "who", "said", "ends"),
    [
        ("raises", 1, "ValueError: this GPU has had enough", "[1, 1, 1]"),
        ("killed", 1, "it ended without a word: it was killed", "[1, -9, 1]"),
        ("killed", 0, "it ended without a word: it was killed", "[-9, 1, 1]"),
        ("refuses", 2, "tokens-00007.npy: holds the id 99; run", "[1, 1, 2]"),
    ],
)
def test_the_rank_that_fails_first_is_named(tmp_path, how, who, said, ends):
    done = python("-m", "tests.training.failing", str(tmp_path), how, str(who))
    assert f"ends {ends}" in done.stdout
    assert done.stdout.count("FAILED") == 1
    # Where rank 0 is gone, and with it what it knew of the others, its address is what is known.
    node = "127.0.0.1" if (how, who) == ("killed", 0) else socket.gethostname()
    assert f"FAILED rank {who} on {node} failed first, at 20" in done.stdout
    assert said in done.stdout
    assert done.stdout.count("Traceback") == (how == "raises")
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["rank"], last["node"]) == ("failed", who, node)
    assert said in last["error"]
    assert last["failed_at"].startswith("20")
    # What a program raises says nothing of its node.
    suspects = tmp_path / "suspects"
    assert (suspects.read_text() if suspects.exists() else "") == (how == "killed") * f"{node}\n"

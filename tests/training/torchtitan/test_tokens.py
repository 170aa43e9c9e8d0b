"""Tokens are what their index says, or torchtitan does not start."""

from pathlib import Path

from tests.training.training_cases import python
from training.prepare import BYTE_VOCABULARY, sample, write


def test_torchtitan_reads_tokens_against_their_index(tmp_path: Path):
    """A flipped bit ends it with 2 before a step, as it ends the reference program."""
    tokens = tmp_path / "tokens"
    write(tokens, sample(), vocabulary=BYTE_VOCABULARY)
    shard = tokens / "tokens-00000.npy"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    changes = (f"data.path={tokens}", f"run.path={tmp_path}/run", f"checkpoint.path={tmp_path}/ck")
    done = python(
        *("-m", "tests.training.ranks", "1", "training.torchtitan.__main__", "llama3-smoke"),
        *(word for each in changes for word in ("--set", each)),
        folder=tmp_path,
        titan=True,
    )
    assert "tokens-00000.npy: does not match its sha256 in index.json" in done.stdout
    assert "ends [2]" in done.stdout
    assert not (tmp_path / "ck").exists()

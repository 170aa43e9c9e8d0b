"""What is read, and in which order."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data import Batches, Order, Prefetch, permute
from training.prepare import BYTE_VOCABULARY, END_OF_DOCUMENT, main, write
from training.problems import UserError
from training.tokens import TokenFolder


@given(size=st.integers(1, 3000), key=st.integers(0, 2**40))
def test_shuffle_has_every_sequence_once(size, key):
    places = np.arange(size, dtype=np.uint64)
    assert np.array_equal(np.sort(permute(places, size, key)), places)


def test_shuffle_shuffles():
    """Neighbours part, and two keys differ."""
    places = np.arange(10_000, dtype=np.uint64)
    one, other = permute(places, 10_000, 1), permute(places, 10_000, 2)
    assert abs(np.corrcoef(places, one)[0, 1]) < 0.05
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05


def test_epochs_differ_and_are_complete():
    order = Order(100, seed=7)
    first, second = order.at(np.arange(100)), order.at(np.arange(100, 200))
    assert sorted(first) == sorted(second) == list(range(100))
    assert list(first) != list(second)


@settings(deadline=None)
@given(
    step=st.integers(0, 10**6),
    ranks=st.sampled_from([1, 2, 4, 8]),
    micro_batch=st.sampled_from([1, 2]),
)
def test_a_step_has_the_same_sequences_on_any_number_of_ranks(step, ranks, micro_batch):
    """Order is a function of the global step: a resumed run on fewer nodes sees the same data."""
    unread = TokenFolder((), sequence=1, ends=np.array([], dtype=np.int64))

    def batch(ranks: int, micro_batch: int) -> list[int]:
        each = [
            Batches(unread, Order(1000, 3), 16, micro_batch, rank, ranks) for rank in range(ranks)
        ]
        return sorted(
            int(n)
            for b in each
            for m in range(16 // ranks // micro_batch)
            for n in b.numbers(step, m)
        )

    assert batch(ranks, micro_batch) == batch(1, 16)


def test_sequences_overlap_by_the_token_to_predict(tmp_path):
    write(tmp_path / "t", [np.arange(25)], vocabulary=25, shard_tokens=13)
    folder = TokenFolder.open(str(tmp_path / "t"), sequence=4, vocabulary=25)
    assert len(folder) == 5
    rows = folder.read(np.arange(5))
    assert rows.tolist() == [
        [0, 1, 2, 3, 4],
        [4, 5, 6, 7, 8],
        [8, 9, 10, 11, 12],
        [13, 14, 15, 16, 17],
        [17, 18, 19, 20, 21],
    ]


def test_text_becomes_bytes_and_an_end(tmp_path):
    (tmp_path / "a.txt").write_text("hé")
    assert main(["--out", str(tmp_path / "t"), "--text", str(tmp_path / "a.txt")]) == 0
    tokens = np.load(tmp_path / "t" / "tokens-00000.npy")
    assert tokens.tolist() == [*"hé".encode(), END_OF_DOCUMENT]
    assert tokens.dtype == np.uint16
    assert json.loads((tmp_path / "t" / "index.json").read_text())["vocabulary"] == BYTE_VOCABULARY


def test_ids_of_a_large_vocabulary_take_four_bytes(tmp_path):
    np.save(tmp_path / "ids.npy", np.array([1, 99_999]))
    given = ["--ids", str(tmp_path / "ids.npy"), "--vocabulary", "100000"]
    assert main(["--out", str(tmp_path / "t"), *given]) == 0
    assert np.load(tmp_path / "t" / "tokens-00000.npy").dtype == np.uint32


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--text", "no-such-file"], "cannot be read (No such file or directory); write the path"),
        (["--ids", "ids.npy"], "--vocabulary 257: a document holds ids from 5 to 300; write 301"),
        (["--ids", "square.npy"], "write one row of integers"),
        (["--ids", "empty.npy"], "--ids empty.npy: cannot be read (No data left in file)"),
        (["--ids", "several.npz"], "is an archive of arrays; write the .npy file of each"),
        (["--ids", "below.npy"], "holds ids from -1 to 3; ids begin at 0; mend the document"),
        (["--sample", "--shard-tokens", "0"], "--shard-tokens 0: a shard holds tokens; write 1 or"),
        (["--sample", "--out", "ids.npy"], "--out ids.npy: cannot be written ("),
    ],
)
def test_mistakes_in_preparation_are_explained(tmp_path, monkeypatch, capsys, given, said):
    monkeypatch.chdir(tmp_path)
    np.save("ids.npy", np.array([5, 300]))
    np.save("square.npy", np.zeros((2, 2)))
    np.save("below.npy", np.array([-1, 3]))
    np.savez("several.npz", a=np.array([1, 3]))
    Path("empty.npy").touch()
    assert main(["--out", "t", *given]) == 2
    assert said in capsys.readouterr().err


def test_tokens_that_do_not_fit_the_model_are_refused(work):
    with pytest.raises(UserError, match=r"go up to 256; write 320"):
        TokenFolder.open(str(work / "tokens"), sequence=16, vocabulary=100)
    with pytest.raises(UserError, match=r"write model.sequence below"):
        TokenFolder.open(str(work / "tokens"), sequence=10**7, vocabulary=320)
    with pytest.raises(UserError, match=r"holds no index.json; write the folder that"):
        TokenFolder.open(str(work), sequence=16, vocabulary=320)


def test_a_shortened_shard_is_noticed(tmp_path):
    write(tmp_path / "t", [np.arange(100)], vocabulary=100)
    np.save(tmp_path / "t" / "tokens-00000.npy", np.arange(50, dtype=np.uint16))
    with pytest.raises(UserError, match=r"holds 50 tokens where index.json says 100"):
        TokenFolder.open(str(tmp_path / "t"), sequence=4, vocabulary=100)


def test_reading_ahead_passes_errors_on():
    """A failing file system ends the run with its own words, not with a hang."""

    def source():
        yield np.zeros((1, 3), dtype=np.int64)
        raise OSError("Stale file handle")

    feed = Prefetch(source(), torch.device("cpu"))
    feed.next()
    with pytest.raises(OSError, match="Stale file handle"):
        feed.next()
    feed.close()

"""Tokens are what their index says, or the run does not start."""

import json
from pathlib import Path

import numpy as np
import pytest

from training import manifest
from training.data import BLOCK, Mixture, Order, order_of
from training.manifest import digest
from training.prepare import write
from training.problems import NodeError, UserError
from training.tokens import TokenFolder

IDS = 50


@pytest.fixture
def folder(tmp_path):
    """Three shards."""
    write(tmp_path / "t", [np.arange(600) % IDS], vocabulary=IDS, shard_tokens=200)
    return tmp_path / "t"


def opened(folder: Path, vocabulary: int = 64) -> TokenFolder:
    found = TokenFolder.open(str(folder), sequence=16, vocabulary=vocabulary)
    found.verify()
    return found


def rewritten(folder: Path, array, *, told: bool) -> None:
    """Put another array in the place of a shard, with an index that knows of it or does not."""
    shard = folder / "tokens-00001.npy"
    np.save(shard, array)
    if told:
        changed(folder, sha256=digest(shard)["sha256"], tokens=int(np.asarray(array).size))


def changed(folder: Path, **values) -> None:
    index = json.loads((folder / "index.json").read_text())
    index["shards"][1].update(values)
    (folder / "index.json").write_text(json.dumps(index))


SOUND = np.arange(200) % IDS


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize(
    ("array", "said"),
    [
        (SOUND.astype("<f4"), "holds <f4 of shape (200,) where index.json says one row of <u2"),
        (SOUND.astype(">u2"), "holds >u2 of shape (200,)"),
        (SOUND.astype("<u4"), "holds <u4 of shape (200,)"),
        (SOUND.astype("<i2"), "holds <i2 of shape (200,)"),
        (SOUND.reshape(2, 100).astype("<u2"), "holds <u2 of shape (2, 100)"),
        (np.array(7, dtype="<u2"), "holds <u2 of shape ()"),
        (np.array([], dtype="<u2"), "tokens-00001.npy: "),
        (np.array([{}] * 200), "tokens-00001.npy: cannot be read"),
        (np.zeros(200, dtype=[("a", "<u2")]), "tokens-00001.npy: holds"),
        (SOUND.astype("<i8"), "holds <i8 of shape (200,)"),
        (SOUND.astype("<f2"), "holds <f2 of shape (200,)"),
        (SOUND.astype("S2"), "holds |S2 of shape (200,)"),
    ],
)
def test_a_shard_of_another_kind_is_refused(folder, array, said, told):
    """Whether or not whoever replaced it has told the index."""
    np.save(folder / "tokens-00001.npy", array)
    if told:
        rewritten(folder, array, told=True)
    with pytest.raises(UserError) as caught:
        opened(folder)
    assert said in str(caught.value)
    assert "run training.prepare again" in str(caught.value)


def test_an_archive_of_arrays_is_no_shard(folder):
    np.savez(folder / "tokens.npz", SOUND.astype("<u2"))
    (folder / "tokens.npz").rename(folder / "tokens-00001.npy")
    with pytest.raises(UserError, match=r"tokens-00001.npy: is an archive of arrays"):
        opened(folder)


@pytest.mark.parametrize("at", [129, 300, 500])
def test_a_flipped_bit_is_found(folder, at):
    file = folder / "tokens-00001.npy"
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"tokens-00001.npy: does not match its sha256"):
        opened(folder)


def test_ids_out_of_range_are_found_at_the_start_and_as_they_are_read(folder):
    """Also where their checksum is right, for whoever wrote the folder wrote that."""
    rewritten(folder, np.full(200, 60, dtype="<u2"), told=True)
    with pytest.raises(UserError, match=r"holds the id 60 where index.json says 50 ids"):
        opened(folder)
    unverified = TokenFolder.open(str(folder), sequence=16, vocabulary=64)
    with pytest.raises(UserError, match=r"tokens-00001.npy: from token 0 on: holds the id 60"):
        unverified.read(np.array([12]))


def test_a_shard_without_a_checksum_is_named(folder):
    changed(folder, sha256=None)
    with pytest.raises(UserError, match=r"write data.verify=false"):
        opened(folder)


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ({"vocabulary": 50, "dtype": "float32", "shards": []}, "'float32' is none of"),
        ({"vocabulary": 50, "shards": []}, "KeyError: 'dtype'"),
        ({"vocabulary": 50, "dtype": "uint16", "shards": []}, "lists no shards"),
        ([1], "cannot be read"),
        (
            {"vocabulary": 9, "dtype": "uint16", "shards": [{"file": "a", "tokens": 1}] * 2},
            "a is listed twice",
        ),
        (
            {
                "vocabulary": 9,
                "dtype": "uint16",
                "shards": [{"file": name, "tokens": 1} for name in ("a", "./b/../a")],
            },
            "a is listed twice",
        ),
        ({"vocabulary": 9, "dtype": "uint16", "shards": ["a"]}, "cannot be read (TypeError"),
        ({"vocabulary": float("inf"), "dtype": "uint16", "shards": []}, "(OverflowError"),
    ],
)
def test_an_index_that_says_nothing_is_refused_in_a_sentence(folder, index, said):
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(UserError) as caught:
        opened(folder)
    assert said in str(caught.value)


def test_brackets_in_brackets_are_no_index(folder):
    (folder / "index.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="cannot be read \\(RecursionError"):
        opened(folder)


@pytest.mark.parametrize("name", ["tokens-00001.npy", "x" * 5000])
def test_a_name_that_leads_nowhere_is_no_fault_of_the_file_system(folder, name):
    """A link to itself, or a name that is too long: the next start would read no more."""
    (folder / "tokens-00001.npy").unlink()
    (folder / "tokens-00001.npy").symlink_to("tokens-00001.npy")
    changed(folder, file=name)
    with pytest.raises(UserError) as caught:
        opened(folder)
    assert not isinstance(caught.value, NodeError)


def test_what_cannot_be_read_now_is_not_called_damaged(folder, monkeypatch):
    """Another try may go well: 69 and not 2."""
    monkeypatch.setattr(manifest, "PAUSES", (0.0,))

    def broken(*_, **__):
        raise OSError(5, "Input/output error", "tokens-00000.npy")

    with monkeypatch.context() as patch:
        patch.setattr(np, "load", broken)
        with pytest.raises(NodeError, match="tokens cannot be read now"):
            opened(folder)


def test_ranks_share_the_work_and_leave_nothing_out(folder):
    rewritten(folder, np.full(200, 60, dtype="<u2"), told=True)
    found = TokenFolder.open(str(folder), sequence=16, vocabulary=64)
    found.verify(0, 2)
    with pytest.raises(UserError):
        found.verify(1, 2)


def test_the_fingerprint_is_of_the_tokens(folder, tmp_path):
    before = opened(folder).fingerprint
    assert opened(folder).fingerprint == before
    write(tmp_path / "other", [np.arange(1, 601) % IDS], vocabulary=IDS, shard_tokens=200)
    assert opened(tmp_path / "other").fingerprint != before


SIZES, WEIGHTS = (700, 40, 9000), (5.0, 1.0, 4.0)


def sources_of(numbers) -> np.ndarray:
    return np.searchsorted(np.cumsum(SIZES), numbers, side="right")


def test_each_source_has_its_share_and_goes_through_all_it_has():
    mixture = Mixture(SIZES, WEIGHTS, seed=3)
    numbers = mixture.at(np.arange(BLOCK))
    shares = np.bincount(sources_of(numbers)) / BLOCK
    assert np.abs(shares - np.array(WEIGHTS) / 10).max() < 1e-4
    early = np.bincount(sources_of(numbers[:2000])) / 2000
    assert np.abs(early - np.array(WEIGHTS) / 10).max() < 0.05, "mixed, not one after the other"
    first = numbers[numbers < SIZES[0]]
    for epoch in range(3):
        each = first[epoch * SIZES[0] : (epoch + 1) * SIZES[0]]
        assert sorted(each) == list(range(SIZES[0]))


def test_a_mixture_depends_on_seed_and_place_alone():
    mixture = Mixture(SIZES, WEIGHTS, seed=3)
    places = np.arange(BLOCK - 50, BLOCK + 50)
    whole = mixture.at(places)
    assert np.array_equal(np.concatenate([mixture.at(places[:7]), mixture.at(places[7:])]), whole)
    assert not np.array_equal(Mixture(SIZES, WEIGHTS, seed=4).at(places), whole)
    counted = mixture.at(np.arange(2 * BLOCK))
    last = counted[sources_of(counted) == 2] - sum(SIZES[:2])
    assert sorted(last[: SIZES[2]]) == list(range(SIZES[2])), "no block begins a source anew"


def test_several_folders_are_read_as_one(folder, tmp_path):
    write(tmp_path / "second", [np.full(400, 40)], vocabulary=70_000)
    both = TokenFolder.open(f"{folder}, {tmp_path / 'second'}", sequence=16, vocabulary=70_016)
    both.verify()
    assert both.sizes == (36, 24)
    assert set(both.read(np.arange(36, 60)).ravel()) == {40}
    assert isinstance(order_of(both, (), 0), Order)
    numbers = order_of(both, (1.0, 3.0), 0).at(np.arange(1000))
    assert (numbers >= 36).mean() == pytest.approx(0.75, abs=0.05)
    with pytest.raises(UserError, match=r"data.path = .*missing holds no index.json"):
        TokenFolder.open(f"{folder},{tmp_path / 'missing'}", sequence=16, vocabulary=70_016)

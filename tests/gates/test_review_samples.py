"""The sample reports are what the review says today."""

from pathlib import Path

from golden.samples import SAMPLES, samples

LARGEST = 300_000
"""Bytes of a sample: it is read in a browser and kept in git."""


def test_samples_are_what_the_review_says(assembly: Path):
    """A reader of the repository sees the report that they would get; `make golden` rewrites it."""
    fresh = samples(assembly)
    kept = {p.name: p.read_text() for p in SAMPLES.iterdir() if p.suffix in (".html", ".md")}

    assert sorted(fresh) == sorted(kept)
    assert [name for name in fresh if fresh[name] != kept[name]] == []
    assert max(len(text.encode()) for text in kept.values()) < LARGEST

"""Whatever is in a file: an answer, or one line that says what is wrong; never a defect.

`make fuzz MINUTES=60` runs the same for longer, seeded by the time.
"""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.hostile.mutators import KINDS, Kind, hurt
from ultracluster.cli import main
from ultracluster.exit_status import ALL_WELL, COULD_NOT_RUN, SOME_FAIL
from ultracluster.safe_output import UNSAFE

TOLD = (ALL_WELL, SOME_FAIL, COULD_NOT_RUN)
MOST_PRINTED = 2_000_000


def run(kind: Kind, words: tuple[str, ...], text: str, capture) -> None:
    """Run one command on a file, and check all that it says."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file, before = folder / kind.name, folder / f"before-{kind.name}"
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        before.write_text(kind.sample(), encoding="utf-8")
        made = folder / "out"
        places = {"FILE": str(file), "BEFORE": str(before), "FOLDER": str(made)}
        with kind.answers(text):
            status = main([places.get(word, word) for word in words])
        said = capture.readouterr()
        assert status in TOLD, said.err
        files = made.glob("*") if made.is_dir() else [made] if made.exists() else []
        written = "".join(path.read_text() for path in files)
        assert not UNSAFE.search(said.out + said.err + written)
        assert len(said.out) < MOST_PRINTED
        if status == COULD_NOT_RUN:
            assert all(line.startswith("ERROR ") for line in said.err.splitlines())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_file_is_a_defect(kind: Kind, capsys):
    """Derandomised: the same files each time, so that a failure is a change's."""

    @settings(
        max_examples=12,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(text=hurt(kind.sample()), words=st.sampled_from(kind.commands))
    def tried(text: str, words: tuple[str, ...]) -> None:
        run(kind, words, text, capsys)

    tried()

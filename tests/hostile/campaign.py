"""`make fuzz MINUTES=60`: the readers' test for longer, with a seed that is printed.

python -m tests.hostile.campaign MINUTES [SEED]
"""

import contextlib
import io
import sys
import time
import traceback
from collections import Counter
from types import SimpleNamespace

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.hostile.mutators import KINDS, Kind, hurt
from tests.hostile.test_readers import run


def main(minutes: float, first: int) -> int:
    """Try files until the time is over; print what was tried and what was found."""
    until = time.monotonic() + minutes * 60
    tried: Counter[str] = Counter()
    found: dict[str, str] = {}
    print(f"seed {first}", flush=True)  # noqa: T201
    number = first
    while time.monotonic() < until:
        for kind in KINDS:
            _round(kind, number, tried, found)
        number += 1
    for name, count in tried.items():
        print(f"{name}: {count} files")  # noqa: T201
    print(f"seeds {first} to {number - 1}: {tried.total()} files, {len(found)} findings")  # noqa: T201
    return 1 if found else 0


def _round(kind: Kind, number: int, tried: Counter[str], found: dict[str, str]) -> None:
    @seed(number)
    @settings(
        max_examples=20,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(text=hurt(kind.sample()), words=st.sampled_from(kind.commands))
    def one(text: str, words: tuple[str, ...]) -> None:
        tried[kind.name] += 1
        out, err = io.StringIO(), io.StringIO()
        read = SimpleNamespace(
            readouterr=lambda: SimpleNamespace(out=out.getvalue(), err=err.getvalue())
        )
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            run(kind, words, text, read)

    try:
        one()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        said = "".join(traceback.format_exception(error))[-3000:]
        short = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        if short not in found:
            found[short] = said
            print(f"--- seed {number}, {kind.name}: {short}\n{said}", flush=True)  # noqa: T201


if __name__ == "__main__":
    now = int(time.time())
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else now))

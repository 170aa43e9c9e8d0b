"""Reads files that somebody else wrote, within limits of size, depth, time and memory.

Values from `json_of` contain no number that is too large for a float and no half of a surrogate
pair, so that other modules need not handle them.
"""

import gc
import json
import math
import os
import re
import select
import signal
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

LARGEST_BYTES: Final = 20_000_000
"""A template is at most 1 MB (CloudFormation quotas); far more is some other file."""
DEEPEST: Final = 300
"""Levels of nesting beyond which a file is refused; templates have some 20."""
MOST_DIGITS: Final = 18
"""Digits of a whole number; a longer one stays a string, as in YAML."""
PATIENCE: Final = 30
"""Seconds to wait for data of a pipe."""
SECONDS: Final = 4.5
"""Processor time in seconds for a file of at most 5 MB; imports take the rest of 5 s."""
MEGABYTES: Final = 400
"""Memory in MB for all files; Python and imports take the rest of 500."""
FEW_COLLECTIONS: Final = 100_000
"""Threshold of the garbage collector, in new objects; Python's default is 700."""
EFFORT: Final = "ULTRACLUSTER_EFFORT"
"""Environment variable by which both limits are multiplied."""

_USUAL_BYTES: Final = 5_000_000
_TICK: Final = 0.05
_KINDS: Final = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
_NESTING: Final = (dict, list)
"""A union that is written out is made anew for each value."""
_HALF: Final = re.compile("[\ud800-\udfff]")
_WRITTEN_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")


class UnreadableError(ValueError):
    """A file cannot be read, or has the wrong content; the message is one line."""


class EffortError(BaseException):
    """Files take too much processor time or memory.

    It is not an `Exception`, so that no handler for faulty parts of a file catches it.
    """


_allowed: Final = dict[tuple[int, int], float]()
"""Allowed seconds by file, so that a file that is read twice counts once."""


def text_of(path: Path | str, most: int = LARGEST_BYTES, what: str = "a template has 1") -> str:
    """Return the text of a file, or of a pipe.

    Args:
        path: of the file.
        most: largest size in bytes.
        what: the usual size of such files in MB, as the end of a sentence.

    Raises:
        UnreadableError: if it cannot be read, is not a file, is too large, or is not UTF-8.
    """
    try:
        found = os.stat(path)  # noqa: PTH116  (a device must not even be opened)
        if kind := next((name for test, name in _KINDS if test(found.st_mode)), None):
            raise UnreadableError(f"{path}: it is {kind}; write the path of a file")
        data = _bytes(path, most)
        if len(data) > most:
            size = max(found.st_size, len(data))
            raise UnreadableError(f"{path}: it has {round(size / 1e6, 1):,.10g} MB; {what} at most")
        _allowed[found.st_dev, found.st_ino] = SECONDS * max(1.0, len(data) / _USUAL_BYTES)
        return data.decode("utf-8-sig")
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except ValueError as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError(f"{path}: not the path of a file") from None


def _bytes(path: Path | str, most: int) -> bytes:
    """Return at most one byte more than allowed; a pipe without a writer does not block."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    found = bytearray()
    try:
        while len(found) <= most:
            try:
                part = os.read(descriptor, min(1 << 20, most + 1 - len(found)))
            except BlockingIOError:
                if select.select([descriptor], [], [], PATIENCE)[0]:
                    continue
                raise UnreadableError(f"{path}: no data from it for {PATIENCE} s") from None
            if not part:
                break
            found += part
    finally:
        os.close(descriptor)
    return bytes(found)


def json_of(path: Path | str, text: str, pairs: Callable[[Any], Any] | None = None) -> Any:
    """Return what a JSON text holds.

    Args:
        path: where it is from, for messages.
        text: the text.
        pairs: makes an object of its pairs, as `object_pairs_hook` of the json module.

    Raises:
        UnreadableError: if it is not JSON, or nested too deeply.
    """
    try:
        found = plain_json(text, pairs)
    except json.JSONDecodeError as error:
        raise UnreadableError(
            f"{path}:{error.lineno}: not valid JSON: {error.msg} (column {error.colno})"
        ) from None
    except RecursionError:
        raise UnreadableError(f"{path}: its nesting is too deep") from None
    except UnreadableError as error:
        raise UnreadableError(f"{path}: {error}") from None
    if _deeper_than(DEEPEST, found):
        raise UnreadableError(f"{path}: its nesting is too deep")
    return found


def refuse_depth(
    path: Path | str, events: Iterable[Any], begin: type, end: type, *, most: int
) -> None:
    """Refuse a text that is nested too deeply, before a recursive parser reads it.

    Args:
        path: where it is from, for messages.
        events: the parser's events.
        begin: type of the events that begin a level.
        end: type of the events that end a level.
        most: highest number of levels.

    Raises:
        UnreadableError: where it nests more than that.
    """
    depth = 0
    for event in events:
        depth += isinstance(event, begin)
        depth -= isinstance(event, end)
        if depth > most:
            raise UnreadableError(f"{path}: its nesting is too deep")


def plain_json(text: str, pairs: Callable[[Any], Any] | None = None) -> Any:
    """Return the value of a JSON text, with numbers in the range of floats and whole characters.

    Raises:
        ValueError: if it is not JSON.
    """
    found = json.loads(
        text,
        parse_int=_whole,
        parse_float=lambda text: float(text) if math.isfinite(float(text)) else text,
        parse_constant=_constant,
        object_pairs_hook=pairs,
    )
    return whole_characters(found) if _WRITTEN_HALF.search(text) else found


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a dictionary of the pairs of a JSON object, in which each name occurs once.

    Raises:
        UnreadableError: if a name occurs twice.
    """
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise UnreadableError(f"{name:.120} is written {count} times; write it once")
    return dict(pairs)


def _whole(text: str) -> int | str:
    return int(text) if len(text.lstrip("-")) <= MOST_DIGITS else text


def _constant(text: str) -> Any:
    raise UnreadableError(f"not valid JSON: {text} is not a JSON number")


def whole_characters(value: Any) -> Any:
    """Return a value with U+FFFD for each half of a surrogate pair, which cannot be written."""
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, dict):
        return {whole_characters(key): whole_characters(each) for key, each in value.items()}
    return [whole_characters(each) for each in value] if isinstance(value, list) else value


def _deeper_than(levels: int, value: Any) -> bool:
    """Whether a value is nested more deeply; counted, as Python's recursion limit differs."""
    level = [value] if isinstance(value, _NESTING) else []
    for _ in range(levels):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, _NESTING)
        ]
        if not level:
            return False
    return True


@contextmanager
def bounded(what: str) -> Iterator[None]:
    """Stop a block that takes far more time or memory than the files read in it should.

    It protects against algorithms that are not linear, or not known to be.

    Args:
        what: the name of the command, for the message: `audit`.

    Raises:
        EffortError: inside the block; its message says what to do.
    """
    factor = _factor()
    begun, held = time.process_time(), _memory()
    _allowed.clear()

    def look(*_: object) -> None:
        seconds = max(SECONDS, sum(_allowed.values())) * factor
        if time.process_time() - begun > seconds:
            raise EffortError(_too_much(what, f"{seconds:.1f} s of processor time"))
        if _memory() - held > MEGABYTES * 1_000_000 * factor:
            raise EffortError(_too_much(what, f"{MEGABYTES * factor:.0f} MB of memory"))

    before, thresholds = signal.signal(signal.SIGPROF, look), gc.get_threshold()
    signal.setitimer(signal.ITIMER_PROF, _TICK, _TICK)
    # What is read stays in memory: the collector would scan it again and again.
    gc.set_threshold(FEW_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _too_much(what: str, limit: str) -> str:
    return (
        f"{what}: these files need more than {limit}, far more than files of their size should; "
        f"give fewer or smaller files, or allow ten times as much with {EFFORT}=10"
    )


def _factor() -> float:
    try:
        found = float(os.environ.get(EFFORT, "1"))
    except ValueError:
        return 1.0
    return found if 0 < found < math.inf else 1.0


def _memory() -> int:
    """Return the bytes that this process holds, 0 where the system has no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")

"""Runs tests in a child that was forked for them, and notes which test runs which line.

A child has what the tests import of other people's packages from its parent, and everything of this
repository from the folder that it is told; what it starts ends with it.
"""

import importlib
import json
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from coverage import Coverage, CoverageData
from hypothesis import HealthCheck, settings

ARGUMENTS: Final = ("-q", "-x", "-p", "no:cacheprovider")
NOT_SHARED: Final = ("aws_cdk", "jsii", "constructs", "cdk_nag", "ministack", "torch", "pytest")
"""What a child imports itself: it starts processes or threads, or has to see the tests first."""
TICK: Final = 0.02
NOTED: Final = "repository"
NOT_COLLECTED: Final = pytest.ExitCode.USAGE_ERROR
"""A conftest cannot be imported; or there is no test of a name, as its parameters are others."""
FAILED: Final = (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED, NOT_COLLECTED)


@dataclass(frozen=True)
class Outcome:
    """How a child ended: pytest's exit status, or None where it lasted too long or crashed."""

    status: int | None
    by: str = ""
    """The first test that failed."""

    @property
    def killed(self) -> bool:
        """Return whether a test failed, or the tests did not end."""
        return self.status is None or self.status in FAILED


class _Failures:
    """Tells the parent which test failed first."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os.write(self.pipe, f"{report.nodeid}\n".encode())


class _Notes:
    """Which lines each test runs, and each fixture that several tests share; and seconds."""

    def __init__(self, coverage: Coverage) -> None:
        self.coverage, self.context = coverage, ""
        self.seconds: dict[str, float] = {}
        self.users: dict[str, list[str]] = defaultdict(list)

    @contextmanager
    def _of(self, context: str) -> Iterator[None]:
        before, self.context = self.context, context
        self.coverage.switch_context(context)
        try:
            yield
        finally:
            self.context = before
            self.coverage.switch_context(before)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Function) -> Generator[None, Any, Any]:
        began = time.monotonic()
        with self._of(item.nodeid):
            result = yield
        self.seconds[item.nodeid] = time.monotonic() - began
        for name in item.fixturenames:
            self.users[name].append(item.nodeid)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        if fixturedef.scope == "function":
            return (yield)
        with self._of(f"fixture {fixturedef.argname}"):
            return (yield)


class Tests:
    """The tests of a room in a copy of the repository; lines are noted in the copy `NOTED`."""

    __test__ = False

    def __init__(self, folder: Path, copy: Path, files: list[str], code: list[str]) -> None:
        self.folder, self.copy, self.files, self.code = folder, copy, files, code
        self.deselected: tuple[str, ...] = ()
        self.notes = folder / "notes.json"

    def note(self) -> None:
        """Run all of them once, unless an earlier call did.

        Raises:
            SystemExit: where they fail without any change.
        """
        if not self.notes.exists():
            self.copied_data().erase()
            outcome = self._forked(self._noting, 24 * 3600)
            if outcome.status != 0:
                raise SystemExit(f"without any change it fails: {outcome.by}; mend that first.")
        noted = json.loads(self.notes.read_text())
        self.seconds: dict[str, float] = noted["seconds"]
        self.users: dict[str, list[str]] = noted["users"]
        for name in noted["modules"]:
            with suppress(Exception):
                importlib.import_module(name)

    def copied_data(self) -> CoverageData:
        """Return which test ran which line."""
        return CoverageData(str(self.folder / "coverage"))

    def reaching(self, path: Path, lines: range) -> list[str]:
        """Return the tests that run one of some lines, or use what a fixture ran there."""
        data = self.copied_data()
        data.read()
        noted = data.contexts_by_lineno(str(self.folder / NOTED / path))
        contexts = {context for line in lines for context in noted.get(line, ())}
        tests = {context for context in contexts if context in self.seconds}
        for context in contexts - tests:
            tests.update(self.users.get(context.removeprefix("fixture "), ()))
        return self._fastest_first(tests)

    def _fastest_first(self, tests: set[str]) -> list[str]:
        """Return tests by file, as those of a file share what they set up."""
        files: dict[str, list[str]] = defaultdict(list)
        for test in sorted(tests, key=self.seconds.__getitem__):
            files[test.partition("::")[0]].append(test)
        return [test for names in files.values() for test in names[:12]]

    def all(self) -> list[str]:
        """Return every file, the fastest first."""
        spent: dict[str, float] = defaultdict(float)
        for test, seconds in self.seconds.items():
            spent[test.partition("::")[0]] += seconds
        return sorted(self.files, key=lambda file: spent[file])

    def run(self, tests: list[str]) -> Outcome:
        """Run some in this order, until the first one fails."""
        usual = sum(
            seconds
            for name, seconds in self.seconds.items()
            if name in tests or name.partition("::")[0] in tests
        )
        return self._forked(lambda pipe: self._pytest(tests, _Failures(pipe)), 30 + 5 * usual)

    def _pytest(self, tests: list[str], *plugins: object) -> int:
        without = [f"--deselect={name}" for name in self.deselected]
        return int(pytest.main([*ARGUMENTS, *without, *tests], plugins=list(plugins)))

    def _noting(self, pipe: int) -> int:
        sys.dont_write_bytecode = False
        coverage = Coverage(
            data_file=str(self.folder / "coverage"),
            config_file=False,
            include=[str(self.copy / part) for part in self.code],
        )
        coverage.start()
        notes = _Notes(coverage)
        status = self._pytest(self.files, _Failures(pipe), notes)
        coverage.stop()
        coverage.save()
        told = {"seconds": notes.seconds, "users": notes.users, "modules": _shared_modules()}
        if not status:
            self.notes.write_text(json.dumps(told))
        return status

    def _forked(self, act: Callable[[int], int], limit: float) -> Outcome:
        """Let a child do something; it may take `limit` seconds of processor, and wait longer."""
        read, write = os.pipe()
        child = os.fork()
        if not child:
            self._become(limit)
            os._exit(act(write))
        os.close(write)
        status = _ended(child, 120 + 3 * limit)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        # Not until its end: a process that a test left behind may hold the other end.
        os.set_blocking(read, False)
        with suppress(BlockingIOError), os.fdopen(read, "rb") as pipe:
            return Outcome(status, (pipe.readline() or b"").decode().strip())
        return Outcome(status)

    def _become(self, limit: float) -> None:
        os.setsid()
        os.chdir(self.copy)
        here = Path(__file__).parent
        own = (str(here), str(here.parent))
        sys.path[:] = [str(self.copy), *(path for path in sys.path if path not in own)]
        os.environ["PYTHONPATH"] = str(self.copy)
        sys.dont_write_bytecode = True
        # The same examples for every mutant, however busy the machine is.
        settings.register_profile(
            "mutants", derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
        )
        settings.load_profile("mutants")
        log = os.open(self.folder / f"{self.copy.name}.log", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(log, 1)
        os.dup2(log, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 5))


def _ended(child: int, seconds: float) -> int | None:
    """Return a child's exit status; None where it was killed, by us or by its limit."""
    # Counted and not taken from a clock: a machine that is stopped meanwhile is no slow test.
    for _ in range(int(seconds / TICK)):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else None
        time.sleep(TICK)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _shared_modules() -> list[str]:
    """Return what was imported of other people's packages, and may be shared with children."""
    packages = {
        name.partition(".")[0]
        for name, module in sys.modules.items()
        if "site-packages" in str(getattr(module, "__file__", None))
    }
    packages -= set(NOT_SHARED)
    return sorted(
        name
        for name in sys.modules
        if name.partition(".")[0] in packages and not name.startswith(("_", "pytest"))
    )

"""Templates for the commands of pages, made by the one CDK that runs already.

A process of its own would take seconds for each command. What is asked for is what the real app
makes: of an environment by its name or file, or of all those of a project and one file more.
"""

import json
import shutil
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Final, Self

import app
from tests.docs.warm import SHIM, program, received
from ultracluster.environments import named, registered
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.loading import load

FILE: Final = "environment-file"


class Templates:
    """Makes assemblies, for as long as the context lasts; those that it has made it copies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[EnvironmentSpec, ...], Path] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        templates = self

        class Handler(StreamRequestHandler):
            def handle(self) -> None:
                status = templates.answer(received(self.request))
                self.wfile.write(f"{status}\n".encode())

        self._server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def install(self, programs: Path) -> None:
        """Put `synthesis`, the program that asks for templates, into a folder of programs."""
        port = self._server.server_address[1]
        program(programs, "synthesis", SHIM.format(port=port, name="synthesis"))

    def of(self, *environments: EnvironmentSpec) -> Path:
        """Return the assembly of environments.

        Raises:
            RuntimeError: where a gate finds something.
        """
        with self._lock:
            if environments not in self._made:
                folder = self._folder / str(len(self._made))
                app.build(environments, outdir=str(folder)).synth()
                self._made[environments] = folder
            return self._made[environments]

    def answer(self, request: list[str]) -> int:
        """Make what a program asks for in its folder, and return the app's exit status."""
        _, _, folder, count, *rest = request
        words, variables = rest[: int(count)], rest[int(count) :]
        known = dict(each.split("=", 1) for each in variables if "=" in each)
        try:
            asked = environments(Path(folder), words, json.loads(known["CDK_CONTEXT_JSON"]))
            shutil.copytree(self.of(*asked), Path(folder, known["CDK_OUTDIR"]), dirs_exist_ok=True)
        except Exception as error:  # noqa: BLE001  (whoever asked is told that there are none)
            sys.stderr.write(f"{error}\n")
            return 1
        return 0


def environments(
    project: Path, words: Sequence[str], context: dict[str, object]
) -> tuple[EnvironmentSpec, ...]:
    """Return the environments that are meant by a word, or by the context of the CDK CLI."""
    if words and words[0].endswith((".py", ".yaml")):
        return load(project / words[0], EnvironmentSpec, project=project)
    file = context.get(FILE)
    found = registered(project, also=project / str(file) if file else None)
    return (named(words[0], {each.name: each for each in found}),) if words else found

"""Commands of this project, run by a process that has imported what they need already.

    python -m tests.docs.warm

It listens on loopback, names its port, and ends with its standard input. A program of a page
(`SHIM`) says what was typed; a fork of this process runs it in the shell's folder, with the
shell's variables and files, as a process of its own that starts in milliseconds. It ends with
whoever typed it, as a program of the shell does.
"""

import importlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.docs import aws_cli
from tests.repository import ROOT
from ultracluster import cli, synthesis
from ultracluster.train import display

SHIM: Final = """#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/{port}
# In a shell of their own: this one's output must not be the socket, not even for a moment.
(
  printf '%s\\0' {name} $$ "$PWD" $# "$@"
  env -0
  printf '\\4\\0'
) >&3
read -r -u 3 status
exit "$status"
"""
END: Final = b"\0\4\0"
PROGRAMS: Final[dict[str, Callable[[Sequence[str]], int]]] = {
    "ultracluster": cli.main,
    "aws": aws_cli.main,
}


def program(folder: Path, name: str, text: str) -> None:
    """Write a program into a folder of programs."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(text)
    file.chmod(0o755)


@contextmanager
def warm(folder: Path) -> Iterator[None]:
    """Put this project's commands into a folder of programs, for as long as the context lasts.

    A program `synthesis` beside them makes the templates that they ask for.
    """
    command = [sys.executable, "-m", "tests.docs.warm"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        port = int(process.stdout.readline())
        for name in PROGRAMS:
            program(folder, name, SHIM.format(port=port, name=name))
        yield
        process.stdin.close()


def received(connection: socket.socket) -> list[str]:
    """Return the words of a request."""
    data = b""
    while not data.endswith(END):
        data += connection.recv(65536)
    return data[: -len(END)].decode().split("\0")


def end_with(connection: socket.socket) -> None:
    """End this process where the one ends that waits for it, which sends nothing more."""
    connection.recv(1)
    os.kill(os.getpid(), signal.SIGTERM)


def run(connection: socket.socket) -> int:
    """Run what a shell asks for, as that shell's child."""
    name, shell, folder, count, *rest = received(connection)
    words, variables = rest[: int(count)], rest[int(count) :]
    threading.Thread(target=end_with, args=(connection,), daemon=True).start()
    for number in range(3):
        way = os.O_WRONLY | os.O_APPEND if number else os.O_RDONLY
        os.dup2(os.open(f"/proc/{shell}/fd/{number}", way), number)
    os.chdir(folder)
    os.environ.clear()
    for each in variables:
        variable, equals, value = each.partition("=")
        if equals:
            os.environ[variable] = value
    sys.argv = [name, *words]
    try:
        return PROGRAMS[name](words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def serve() -> None:
    """Answer until standard input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.create_server(("127.0.0.1", 0), backlog=16)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if listener not in ready:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            status = 70
            try:
                status = run(connection)
            except BaseException:  # noqa: BLE001  (a fork must not go on as its parent)
                traceback.print_exc()
            # Whoever waited ends now, and this process by itself.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            connection.sendall(f"{status}\n".encode())
            os._exit(0)
        connection.close()


if __name__ == "__main__":
    for command in cli.COMMANDS:
        importlib.import_module(f"ultracluster.{command}.command")
    synthesis.synthesize_command = lambda given: ["synthesis", given]
    # An emulated job goes on with each look at it, not with time.
    display.SECONDS_BETWEEN = 0.2  # type: ignore[misc]
    serve()

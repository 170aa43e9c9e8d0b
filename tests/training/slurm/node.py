"""A machine in miniature: a daemon and everything it starts, which end all at once.

    python node.py COMMAND [ARGUMENT ...]

Slurm's daemons detach what they start. As the subreaper (Linux, prctl 36) this process stays the
ancestor of all of it, so that one SIGKILL to each is a power cut. That happens when standard input
ends: when the starter closes the pipe, and also when the starter itself is killed.
"""

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def children() -> dict[int, list[int]]:
    """Return the processes of this machine by their parent."""
    found: dict[int, list[int]] = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            found.setdefault(parent, []).append(int(process.name))
    return found


def descendants(root: int) -> list[int]:
    """Return everything below a process."""
    below, found, waiting = children(), [], [root]
    while waiting:
        for child in below.get(waiting.pop(), []):
            found.append(child)
            waiting.append(child)
    return found


def cut(root: int) -> None:
    """Kill until nothing is left: what is being forked now appears in the next round."""
    while left := descendants(root):
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        reap()


def reap() -> None:
    """Collect the dead without waiting for the living."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def main(command: list[str]) -> None:
    """Run until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Not waited for as such: `reap` collects it with all others.
    subprocess.Popen(command, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGCHLD, lambda *_: reap())
    os.read(0, 1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    cut(os.getpid())


if __name__ == "__main__":
    main(sys.argv[1:])

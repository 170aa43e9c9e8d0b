"""Runs a command that ends when its parent process ends.

    python -m ultracluster.child_process COMMAND [ARGUMENT ...]

The command runs in a process group of its own and is killed, with everything it started, when
standard input ends. The starter holds the other end of that pipe, so that the command ends with
it, also when it is killed by SIGKILL.
"""

import os
import signal
import subprocess
import sys
import threading


def main(command: list[str]) -> int:
    """Run the command and return its exit status."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)

    def watch() -> None:
        while os.read(0, 4096):
            pass
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    threading.Thread(target=watch, daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    # The starter decides when this ends; Ctrl-C in a terminal reaches it as well.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(main(sys.argv[1:]))

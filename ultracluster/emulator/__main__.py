"""The emulator's process: `python -m ultracluster.emulator`, started by `process.Emulator`.

It listens on 127.0.0.1 only, writes its port as one line to standard output, and ends, with
everything that it started, when its standard input is closed: whoever holds the other end of
that pipe has then stopped, or was killed.
"""

import os
import shutil
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
BACKLOG: Final = 128


def main() -> None:
    """Listen, say where, and serve until standard input ends."""
    state = Path(os.environ["EMULATOR_STATE"])
    faults = os.environ.get("EMULATOR_FAULTS")
    threading.Thread(target=_end_with_parent, args=(state,), daemon=True).start()
    listener = socket.create_server((LOOPBACK, 0), backlog=BACKLOG)
    port = listener.getsockname()[1]
    # MiniStack reads these when it is imported.
    os.environ.update(
        BIND_HOST=LOOPBACK,
        MINISTACK_HOST=LOOPBACK,
        GATEWAY_PORT=str(port),
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        PERSIST_STATE="0",
        # A state machine that waits an hour for capacity is rehearsed in seconds.
        SFN_WAIT_SCALE="0.001",
        LOG_LEVEL=os.environ.get("EMULATOR_LOG_LEVEL", "WARNING"),
    )
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # From here on, whatever is printed belongs to the log.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    from ultracluster.emulator.faults import Faults  # noqa: PLC0415
    from ultracluster.emulator.ministack.serving import serve  # noqa: PLC0415

    serve(listener, Faults(Path(faults) if faults else None), state)


def _end_with_parent(state: Path) -> None:
    while sys.stdin.buffer.read(1):
        pass
    shutil.rmtree(state, ignore_errors=True)
    # The workers of emulated functions are in this process group as well.
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()

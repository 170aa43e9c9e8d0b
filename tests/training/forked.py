"""Ranks as processes that are forked from one that has imported PyTorch already."""

import os
import socket
import sys
from collections.abc import Callable


def meeting_place() -> dict[str, str]:
    """Return the variables by which ranks on this machine meet, at a port that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}


def forked(ranks: int, run: Callable[[int], int]) -> list[int]:
    """Start a process for each rank, which ends with what `run` returns; return their ids."""
    children = []
    for number in range(ranks):
        child = os.fork()
        if child == 0:
            status = 99
            try:
                status = run(number)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        children.append(child)
    return children

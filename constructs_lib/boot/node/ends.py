#!/usr/bin/python3
"""Makes the end of capacity known to Slurm, on a login node, as root.

    ends.py 2026-12-04T11:00:00Z 'p4d-24xlarge-[1-16]'    # instances are terminated from then on
    ends.py never 'p4d-24xlarge-[1-16]'                   # the block was followed by another one

Nodes are reserved from some minutes before the end: jobs that would cross it do not start, and
those that run get their time limit there, so that they are told before it, save, and go back to the
queue (train.sbatch asks for SIGTERM 300 s before its limit). May run again, with another end too.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from datetime import datetime

import readings

MARGIN = 600
"""Seconds before the end by which jobs have saved and left."""


def seconds(text: str) -> float | None:
    """Return a time in seconds since 1970, None for `never`.

    Raises:
        ArgumentTypeError: where it is no time.
    """
    if text == "never":
        return None
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))  # noqa: FURB162 - 3.9
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; write 2026-12-04T11:00:00Z, or never"
        ) from None
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone; write {text}Z for UTC")
    return found.timestamp()


def reserve(name: str, nodes: str, start: float) -> None:
    """Reserve the nodes for root from a time on, or move that time."""
    at = f"StartTime={local(start)}"
    if there(name):
        readings.said("scontrol", "update", f"ReservationName={name}", at)
        return
    flags = "Flags=IGNORE_JOBS,MAINT"
    words = (f"ReservationName={name}", at, "Duration=365-0", f"Nodes={nodes}", "Users=root", flags)
    readings.said("scontrol", "create", "reservation", *words)


def there(name: str) -> bool:
    """Whether a reservation is there."""
    return f"ReservationName={name} " in readings.said("scontrol", "show", "reservation", "-o")


def shorten(nodes: str, start: float) -> list[str]:
    """Give jobs that run there a limit before the reservation; return them."""
    rows = readings.said("squeue", "-h", "--states=R", f"--nodelist={nodes}", "--format=%A %e")
    told = []
    for job, end in (row.split() for row in rows.splitlines()):
        if end in ("NONE", "N/A") or datetime.fromisoformat(end).timestamp() > start:
            readings.said("scontrol", "update", f"JobId={job}", f"EndTime={local(start)}")
            told.append(job)
    return told


def local(at: float) -> str:
    """Return a time as Slurm's commands take it: without a zone, of the machine's own."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at))


def main(words: list[str]) -> int:
    """Reserve, or take the reservation away."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("end", type=seconds, help="2026-12-04T11:00:00Z, or never")
    parser.add_argument("nodes", help="as Slurm names them: p4d-24xlarge-[1-16]")
    parser.add_argument("--margin", type=int, default=MARGIN, help=f"seconds before it ({MARGIN})")
    given = parser.parse_args(words)
    name = "capacity-ends-" + re.sub(r"[^a-z0-9]+", "-", given.nodes.lower()).strip("-")
    try:
        if given.end is None:
            if there(name):
                readings.said("scontrol", "delete", f"ReservationName={name}")
            return 0
        start = max(given.end - given.margin, time.time() + 2)
        reserve(name, given.nodes, start)
        told = shorten(given.nodes, start)
    except readings.CommandError as error:
        print(f"ends.py: {error}", file=sys.stderr)
        return 1
    print(f"{given.nodes} is reserved from {local(start)}; jobs that end by then: {told or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

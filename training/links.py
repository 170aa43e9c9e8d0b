"""Whose network is slow: pairs of ranks exchange some megabytes, and the odd one is known by it."""

from typing import Final

import torch
import torch.distributed as dist

from training.mesh import Launch
from training.pace import Mark

PROBE_BYTES: Final = 4 * 2**20
LIMPS: Final = 1.5
"""Times the median of all ranks that a rank's best link takes where its network is at fault."""


def slow_link(launch: Launch, device: torch.device) -> int:
    """Return the rank whose network is slow, -1 where none stands out. All ranks must ask.

    Pairs exchange some megabytes, each GPU with those at the same place of the nodes beside its
    own. A rank's best link counts: its neighbours' other links are as fast as ever.
    """
    stride = launch.local_world if launch.world > launch.local_world else 1
    place, places = launch.rank // stride, launch.world // stride
    best = torch.full((), torch.inf, device=device)
    payload = torch.zeros(PROBE_BYTES // 4, device=device)
    received = torch.empty_like(payload)
    for turn in range(2 if places % 2 == 0 else 3):
        # In an odd ring the last place would meet two at once: it has a turn of its own.
        pairs = [
            (at, (at + 1) % places)
            for at in range(places)
            if (2 if places % 2 and at == places - 1 else at % 2) == turn
        ]
        peer = next((b if place == a else a for a, b in pairs if place in (a, b)), None)
        if peer is None:
            continue
        at = peer * stride + launch.rank % stride
        for _ in range(2):  # the first connects
            both = [dist.P2POp(dist.isend, payload, at), dist.P2POp(dist.irecv, received, at)]
            before = Mark(device)
            for work in dist.batch_isend_irecv(both):
                work.wait()
            spent = Mark(device).seconds_since(before)
        best = best.clamp(max=spent)
    table = torch.zeros(launch.world, device=device)
    table[launch.rank] = best
    dist.all_reduce(table)
    rank = int(table.argmax())
    return rank if float(table[rank]) > LIMPS * float(table.median()) else -1

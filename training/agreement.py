"""What one rank finds wrong ends all of them, with a sentence.

Only rank 0 speaks: a node that lacks the file system would otherwise end without a word, and the
other ranks would wait for it.
"""

import socket
from collections.abc import Callable
from typing import Any, TypeVar

import torch.distributed as dist

from training.problems import NodeError, UserError

Result = TypeVar("Result")


def everywhere(action: Callable[[], Result], *, by_all: bool = True) -> Result:
    """Do something on every rank; what is wrong on any of them is raised on all of them.

    Where it is not done `by_all`, only rank 0 does anything, or each rank a part of its own: what
    one of them finds then says nothing of its node, unless it says so itself (`NodeError`).
    """
    result: Any = None
    wrong: tuple[str, str, bool] | None = None
    try:
        result = action()
    except UserError as error:
        wrong = str(error), socket.gethostname(), isinstance(error, NodeError)
    found: list[tuple[str, str, bool] | None] = [None] * dist.get_world_size()
    dist.all_gather_object(found, wrong)
    places: dict[str, list[str]] = {}
    of_nodes = False
    for rank, fault in enumerate(found):
        if fault is not None:
            words, host, of_node = fault
            of_nodes = of_nodes or of_node
            places.setdefault(words, []).append(f"rank {rank} on {host}")
    if not places:
        mine: Result = result
        return mine
    if not of_nodes and (not by_all or None not in found):
        raise UserError("\n".join(places))
    raise NodeError("\n".join(f"{_first(where)}: {words}" for words, where in places.items()))


def _first(places: list[str]) -> str:
    return places[0] if len(places) == 1 else f"{places[0]} and {len(places) - 1} more"

"""What is trained, and on what."""

import re
from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field

from ultracluster.catalogue.sharding import divisors, nearest
from ultracluster.problem import Problem
from ultracluster.spec.base import Spec, rule

FOLDER: Final = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")


class ModelSpec(Spec):
    """Shape of a decoder-only transformer."""

    layers: Annotated[int, Field(ge=1)]
    """Blocks."""

    width: Annotated[int, Field(ge=1)]
    """Values of one token's state."""

    heads: Annotated[int, Field(ge=1)]
    """Attention heads; they divide the width."""

    vocabulary: Annotated[int, Field(ge=1)] = 50304
    """Rows of the embedding: GPT-2's 50,257, padded to a multiple of 64."""

    sequence: Annotated[int, Field(ge=1)] = 2048
    """Tokens of one sample."""

    @property
    def parameters(self) -> int:
        """Weights without norms and positions: `12 * layers * width**2 + vocabulary * width`."""
        return 12 * self.layers * self.width**2 + self.vocabulary * self.width

    @rule
    def _heads_divide_the_width(self) -> Iterator[Problem]:
        if self.width % self.heads:
            near = nearest(self.heads, divisors(self.width))
            fix = f"they share a width of {self.width}; write {near}"
            yield self.problem_of("heads", fix)


class DataSpec(Spec):
    """Tokens on the file system, and how many make a step."""

    directory: str = "data/tokens"
    """Folder that `python -m training.prepare` wrote, below the root of the file system."""

    global_batch: Annotated[int, Field(ge=1)]
    """Sequences in one optimizer step, over all GPUs."""

    micro_batch: Annotated[int, Field(ge=1)] = 1
    """Sequences that one data-parallel rank works on at a time."""

    @rule
    def _directory_is_relative(self) -> Iterator[Problem]:
        if not FOLDER.fullmatch(self.directory) or ".." in self.directory.split("/"):
            fix = "write a path below the file system's root, without a slash at its ends"
            yield self.problem_of("directory", fix)

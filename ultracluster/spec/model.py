"""The model and the data of a training job."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from pydantic import Field

from ultracluster.catalogue.sharding import divisors, nearest
from ultracluster.catalogue.torchtitan import MODELS, model_faults
from ultracluster.problem import Problem
from ultracluster.spec.base import Spec, TextFormat, UndeterminedError, rule

FOLDER: Final = TextFormat(
    r"(?!(.*/)?\.\.(/|$))[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*",
    "write a path relative to the file system's root, without a slash at start or end",
)


class ModelSpec(Spec):
    """Size of a decoder-only transformer."""

    layers: Annotated[int, Field(ge=1)]
    """Number of transformer blocks."""

    width: Annotated[int, Field(ge=1)]
    """Hidden size: values of one token's state."""

    heads: Annotated[int, Field(ge=1)]
    """Attention heads per block; a divisor of `width`."""

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
            fix = f"heads must divide width, {self.width}; write {near}"
            yield self.problem_of("heads", fix)


class TorchtitanModelSpec(Spec):
    """A model that torchtitan defines (listed in `training/torchtitan/layout/models.json`)."""

    family: str
    """Its package in `torchtitan.models`, for example llama3."""

    flavor: str
    """Its name in that package, for example 8B."""

    sequence: Annotated[int, Field(ge=1)]
    """Tokens of one sample."""

    @property
    def facts(self) -> Mapping[str, int]:
        try:
            return MODELS[self.family][self.flavor]
        except KeyError:
            raise UndeterminedError("model") from None

    @property
    def parameters(self) -> int:
        """Number of weights, including experts that a token does not use."""
        return self.facts["parameters"]

    @property
    def heads(self) -> int:
        return self.facts["heads"]

    @rule
    def _torchtitan_has_it(self) -> Iterator[Problem]:
        for field, got, why, fix in model_faults(self.family, self.flavor, self.sequence):
            yield Problem(field.removeprefix("model."), got, f"{why}; {fix}")


class DataSpec(Spec):
    """The training data on the file system, and the batch size."""

    directory: Annotated[str, FOLDER] = "data/tokens"
    """Folder written by `python -m training.prepare`, relative to the root of the file system."""

    global_batch: Annotated[int, Field(ge=1)]
    """Sequences in one optimizer step, of all GPUs together."""

    micro_batch: Annotated[int, Field(ge=1)] = 1
    """Sequences that one data-parallel rank processes at a time."""

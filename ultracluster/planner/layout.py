"""How a model is laid out over GPUs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to train a model on so many GPUs."""

    gpus: int
    partition: int
    """Data-parallel ranks that share one copy of the model state (MiCS group)."""
    tensor: int = 1
    """GPUs that share every matrix product, and the tokens between them."""
    micro_batch: int = 1
    """Sequences of one forward and backward pass."""
    accumulation: int = 1
    """Passes before the optimizer steps."""
    checkpointing: bool = True
    hierarchical: bool = False
    """Whether weights are gathered between nodes first, then inside a node."""
    reshard: bool = True
    """Whether gathered weights are freed between forward and backward pass."""

    @property
    def data_parallel(self) -> int:
        """Ranks that see different sequences."""
        return self.gpus // self.tensor

    @property
    def replicas(self) -> int:
        """Copies of the model state."""
        return self.data_parallel // self.partition

    @property
    def group(self) -> int:
        """GPUs that hold one copy of the model state."""
        return self.partition * self.tensor

    @property
    def sequences(self) -> int:
        """Sequences of one optimizer step."""
        return self.micro_batch * self.accumulation * self.data_parallel

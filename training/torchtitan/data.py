"""The token folders of the reference program as a data loader of torchtitan."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchtitan.components.dataloader import BaseDataLoader
from torchtitan.components.tokenizer import BaseTokenizer

from training.data import Batches, Order, Prefetch, opened


class Tokens(BaseDataLoader):
    """Batches that are a function of seed and step alone, on any number of ranks."""

    @dataclass(kw_only=True, slots=True)
    class Config(BaseDataLoader.Config):
        """Which tokens, and how many make a step."""

        vocabulary: int
        global_batch: int
        seed: int

    def __init__(
        self,
        config: Config,
        *,
        dp_world_size: int,
        dp_rank: int,
        seq_len: int,
        local_batch_size: int,
        **_: Any,
    ) -> None:
        folder = opened(str(config.dataset_path), sequence=seq_len, vocabulary=config.vocabulary)
        self.batches = Batches(
            folder=folder,
            order=Order(len(folder), config.seed),
            global_batch=config.global_batch,
            micro_batch=local_batch_size,
            rank=dp_rank,
            ranks=dp_world_size,
        )
        self.each_step = config.global_batch // (dp_world_size * local_batch_size)
        self.taken = 0

    def __iter__(self) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        """Yield micro-batches on the processor, where torchtitan counts their tokens."""
        step = self.taken // self.each_step
        ahead = Prefetch(self.batches.from_step(step), torch.device("cpu"))
        try:
            while True:
                inputs, targets = ahead.next()
                self.taken += 1
                yield {"input": inputs.contiguous()}, targets.contiguous()
        finally:
            ahead.close()

    def state_dict(self) -> dict[str, Any]:
        """Return how many steps' batches were taken: the same on all ranks, and on any number."""
        return {"step": self.taken // self.each_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.taken = int(state_dict["step"]) * self.each_step


class NoTokenizer(BaseTokenizer):
    """A tokenizer that is never asked: the folders hold tokens."""

    @dataclass(kw_only=True, slots=True)
    class Config(BaseTokenizer.Config):
        """Nothing to choose."""

    def __init__(self, **_: Any) -> None:
        super().__init__()

    def encode(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    decode = get_vocab_size = encode

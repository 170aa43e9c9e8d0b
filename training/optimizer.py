"""AdamW on this rank's part of the parameters, with fp32 master weights for bf16 ones.

The update is PyTorch's fused kernel. It is element-wise, so it runs on the local parts and needs
to know nothing of meshes; only the gradient's norm is a sum over the partition group.
"""

import math
from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

from training.settings import OptimizerSettings

MOMENTS = ("exp_avg", "exp_avg_sq")


def learning_rate(settings: OptimizerSettings, step: int, steps: int) -> float:
    """Return the rate of a step, counted from 0: linear warm-up, then half a cosine."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    progress = (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    floor = settings.final_fraction
    return settings.learning_rate * (floor + (1 - floor) * cosine)


class MasterAdamW:
    """The optimizer of one rank.

    Args:
        parameters: Sharded parameters by name.
        settings: Rates and decay.
        partition: Ranks that together hold one copy of the model state.
    """

    def __init__(
        self,
        parameters: dict[str, DTensor],
        settings: OptimizerSettings,
        partition: dist.ProcessGroup,
    ) -> None:
        self.settings, self.partition, self.parameters = settings, partition, parameters
        self.locals = {name: value.to_local().detach() for name, value in parameters.items()}
        # A part can be empty: the last of 3 ranks that share 4 rows has none.
        self.held = [name for name, value in self.locals.items() if value.numel()]
        # bf16 weights get an fp32 copy; wider ones are their own master.
        self.masters = {
            name: torch.nn.Parameter(self.locals[name].to(_wide(self.locals[name].dtype)))
            for name in parameters
        }
        decays = [name for name in self.held if parameters[name].ndim > 1]
        rests = [name for name in self.held if parameters[name].ndim <= 1]
        self.adam = torch.optim.AdamW(
            [
                {"params": [self.masters[name] for name in names], "weight_decay": decay}
                for names, decay in ((decays, settings.weight_decay), (rests, 0.0))
                if names
            ],
            lr=settings.learning_rate,
            betas=settings.betas,
            eps=settings.epsilon,
            fused=True,
        )
        for name, master in self.masters.items():
            self.adam.state[master] = {
                "step": torch.zeros((), dtype=torch.float32, device=master.device),
                **{moment: torch.zeros_like(master.detach()) for moment in MOMENTS},
            }
        self.updates = next(self._counters(), torch.zeros(()))
        """Updates made, a scalar on the device: steps less those that were skipped."""

    @torch.no_grad()
    def step(self, rate: float) -> Tensor:
        """Update the parameters from their gradients, and forget the gradients.

        A gradient that is not finite leaves everything as it was: the caller sees the norm.

        Args:
            rate: Learning rate of this step.

        Returns:
            The norm of the whole gradient before clipping, a scalar on the device.
        """
        gradients = {name: self._gradient(name) for name in self.held}
        norm = self._norm(gradients)
        clip = self.settings.clip_norm
        shrink = (norm / clip).clamp(min=1.0) if clip else torch.ones_like(norm)
        for name, gradient in gradients.items():
            self.masters[name].grad = gradient.to(self.masters[name].dtype)
        # The fused kernel divides by grad_scale and skips on found_inf: what loss scaling uses.
        self.adam.grad_scale = shrink.to(torch.float32)  # type: ignore[attr-defined]
        self.adam.found_inf = (~norm.isfinite()).to(torch.float32)  # type: ignore[attr-defined]
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        self.publish()
        for parameter in self.parameters.values():
            parameter.grad = None
        return norm

    @torch.no_grad()
    def publish(self) -> None:
        """Round the masters into the weights that the model computes with."""
        pairs = [
            (self.locals[name], self.masters[name].detach())
            for name in self.held
            if self.locals[name].dtype != self.masters[name].dtype
        ]
        if pairs:
            torch._foreach_copy_([p for p, _ in pairs], [m for _, m in pairs])  # noqa: SLF001

    def _gradient(self, name: str) -> Tensor:
        gradient = self.parameters[name].grad
        if not isinstance(gradient, DTensor):
            raise TypeError(f"{name} has no gradient")
        return gradient.to_local()

    def _norm(self, gradients: dict[str, Tensor]) -> Tensor:
        """Return the norm over the partition group, counting copies on tensor ranks once."""
        device = next(iter(self.masters.values())).device
        wide = next(iter(self.masters.values())).dtype
        total = torch.zeros((), dtype=wide, device=device)
        for copies in {self._copies(name) for name in gradients}:
            part = [g for name, g in gradients.items() if self._copies(name) == copies]
            norms = torch._foreach_norm(part, 2, dtype=wide)  # noqa: SLF001
            total += torch.stack(norms).square().sum() / copies
        dist.all_reduce(total, group=self.partition)
        return total.sqrt()

    def _copies(self, name: str) -> int:
        """Return how many tensor ranks hold the same values; replicas are no part of the sum."""
        parameter = self.parameters[name]
        mesh, placements = parameter.device_mesh, parameter.placements
        inside = range(1, mesh.ndim)
        return math.prod(mesh.size(i) for i in inside if placements[i].is_replicate())

    def state(self) -> dict[str, Tensor]:
        """Return masters and moments by name, as views that a checkpoint can fill or read.

        The weights are not in it: they are the masters, rounded. Tensors are DTensors, so that
        a checkpoint of one layout loads into another.
        """
        state: dict[str, Tensor] = {}
        for name in self.parameters:
            state[f"weight.{name}"] = self._whole(name, self.masters[name].detach())
            for moment in MOMENTS:
                local = self.adam.state[self.masters[name]][moment]
                state[f"{moment}.{name}"] = self._whole(name, local)
        state["updates"] = self.updates
        return state

    @torch.no_grad()
    def restore(self) -> None:
        """Take up what a checkpoint has written into `state`."""
        for counter in self._counters():
            counter.copy_(self.updates)
        self.publish()

    def _whole(self, name: str, local: Tensor) -> DTensor:
        like = self.parameters[name]
        return DTensor.from_local(
            local, like.device_mesh, like.placements, run_check=False,
            shape=like.shape, stride=like.stride(),
        )

    def _counters(self) -> Iterator[Tensor]:
        for name in self.held:
            yield self.adam.state[self.masters[name]]["step"]


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)

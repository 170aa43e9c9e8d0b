"""Worlds of gloo processes, each of which runs every case of its size; started by conftest.py.

    python -m tests.training.world WORK SIZE...

Torch is imported once and the ranks are forked. Rank 0 writes what it saw to WORK/world-SIZE.json,
and what all ranks say goes to WORK/world-SIZE.txt; the tests read both. Cases only compute and
record; judging is the tests' work.
"""

import json
import os
import sys
import traceback
from collections import Counter
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # every rank's optimizer would import it, for most of a second
import torch.distributed as dist
from torch.utils._python_dispatch import TorchDispatchMode

from tests.training import reference
from training.data import Prefetch
from training.mesh import Launch
from training.problems import UserError
from training.settings import (
    CheckpointSettings,
    DataSettings,
    ModelSettings,
    NumericsSettings,
    OptimizerSettings,
    RunSettings,
    Settings,
)
from training.trainer import Trainer

STEPS = 3
GLOBAL_BATCH = 16
"""Two micro-steps on every world; more with tensor parallelism, where fewer ranks read data."""


def settings_for(work: Path, **changes: str) -> Settings:
    base = Settings(
        model=ModelSettings(layers=2, width=32, heads=8, vocabulary=320, sequence=16),
        data=DataSettings(path=str(work / "tokens"), global_batch=GLOBAL_BATCH, micro_batch=1),
        run=RunSettings(steps=6, seed=3, print_every=1000),
        numerics=NumericsSettings(dtype="fp64", compile=False, loss_chunks=3),
        # A large epsilon would hide errors in small gradients; this is the default's order.
        optimizer=OptimizerSettings(learning_rate=1e-2, warmup_steps=2, clip_norm=0.5),
        checkpoint=CheckpointSettings(),
    )
    return base.override({name.replace("__", "."): value for name, value in changes.items()})


class Wire(TorchDispatchMode):
    """Count every collective: kind, ranks in the group, bytes that this rank hands in."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[tuple[str, int, int]] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Count an operation if it is a collective, and do it."""
        name = func.__name__ if hasattr(func, "__name__") else str(func)
        space = getattr(func, "namespace", "")
        if (
            space in {"c10d", "_c10d_functional"}
            and "wait_tensor" not in name
            and "wrap_tensor" not in name
        ):
            self.seen[self._describe(space, name, args)] += 1
        return func(*args, **(kwargs or {}))

    def _describe(self, space: str, name: str, args) -> tuple[str, int, int]:
        kinds = {
            "allgather": "gather",
            "all_gather": "gather",
            "reduce_scatter": "scatter",
            "allreduce": "reduce",
            "all_reduce": "reduce",
        }
        kind = next((k for word, k in kinds.items() if word in name), None)
        assert kind, f"{space}.{name} is not expected here"
        if space == "c10d":
            group = next(
                a
                for a in args
                if isinstance(a, torch.ScriptObject) and "ProcessGroup" in str(a._type())
            )
            size = dist.ProcessGroup.unbox(group).size()
            source = args[0] if kind == "reduce" else args[1]
        else:
            name_of_group: Any = next(a for a in reversed(args) if isinstance(a, str))
            resolve = dist.distributed_c10d._resolve_process_group  # type: ignore[attr-defined] # private
            size = resolve(name_of_group).size()
            source = args[0]
        tensors = source if isinstance(source, (list, tuple)) else [source]
        return kind, size, sum(t.numel() * t.element_size() for t in tensors)


def whole(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Return every weight, gathered."""
    return {n: p.full_tensor().detach().clone() for n, p in trainer.sharded.parameters.items()}


def steps(trainer: Trainer, count: int) -> list[float]:
    """Train on, and return the losses."""
    feed = Prefetch(trainer.batches.from_step(trainer.step), trainer.device)
    losses = [trainer._step(feed).values[0].item() for _ in range(count)]
    feed.close()
    return losses


def finish(trainer: Trainer) -> None:
    """Wait for the checkpoint that is being written."""
    assert trainer.checkpoints is not None
    trainer.checkpoints.finish()


def difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max((one[n] - other[n]).abs().max().item() for n in one)


class World:
    """The cases of one world size."""

    def __init__(self, size: int, work: Path) -> None:
        self.size, self.work = size, work
        self.launch = Launch(dist.get_rank(), size, dist.get_rank() % min(size, 2), min(size, 2))
        self.seen: dict[str, Any] = {}
        self.start: dict[str, torch.Tensor] = torch.load(work / "start.pt") if size > 1 else {}
        self.wanted: dict[str, torch.Tensor] = torch.load(work / "wanted.pt") if size > 1 else {}

    def trainer(self, **changes: str) -> Trainer:
        """Return a rank of a run with two micro-steps, or as changed."""
        micro_batch = str(GLOBAL_BATCH // self.size // 2)
        return Trainer(
            settings_for(self.work, **{"data__micro_batch": micro_batch, **changes}), self.launch
        )

    def layouts(self) -> list[tuple[int, int]]:
        """Every partition size, and with tensor parallelism wherever it fits the node of two."""
        sizes = [p for p in (1, 2, 4, 8) if p <= self.size]
        return [(p, 1) for p in sizes] + [(p, 2) for p in sizes if p >= 2]

    def run(self) -> None:
        """Run every case of this size."""
        if self.size == 1:
            self.reference()
            return
        for partition, tensor in self.layouts():
            self.equality(partition, tensor)
        if self.size > 2:
            self.variants()
        self.resume()

    def reference(self) -> None:
        """Write what every world must start from and arrive at."""
        for positions, name in (("learned", ""), ("rotary", "-rotary")):
            trainer = self.trainer(model__positions=positions)
            start = whole(trainer)
            wanted = reference.trained(trainer.settings, start, STEPS)
            torch.save(start, self.work / f"start{name}.pt")
            torch.save(wanted, self.work / f"wanted{name}.pt")
            steps(trainer, STEPS)
            self.seen[f"one{name}"] = difference(whole(trainer), wanted)
            self.seen[f"moved{name}"] = difference(start, wanted)
        self.refusals()

    def refusals(self) -> None:
        """A gradient that is not finite, and a disk that refuses a checkpoint."""
        path = self.work / "refused"
        trainer = self.trainer(checkpoint__path=str(path), run__path=str(self.work / "refused-run"))
        before = whole(trainer)
        for parameter in trainer.sharded.parameters.values():
            parameter.grad = torch.full_like(parameter, torch.nan)
        norm = trainer.optimizer.step(1.0)
        self.seen["not finite"] = {
            "norm": str(norm.item()),
            "difference": difference(before, whole(trainer)),
            "updates": trainer.optimizer.updates.item(),
        }
        steps(trainer, 1)
        (path / "step-00000001.partial").write_text("in the way")
        trainer._save()
        steps(trainer, 1)
        finish(trainer)
        trainer._save()
        finish(trainer)
        trainer.metrics.close()
        self.seen["refused"] = {"left": sorted(p.name for p in path.iterdir())}

    def equality(self, partition: int, tensor: int) -> None:
        """Train, counting the collectives of the last step."""
        trainer = self.trainer(
            parallel__partition_size=str(partition), parallel__tensor_parallel=str(tensor)
        )
        started = difference(whole(trainer), self.start)
        steps(trainer, STEPS - 1)
        feed = Prefetch(trainer.batches.from_step(trainer.step), trainer.device)
        with Wire() as wire:
            trainer._step(feed)
        feed.close()
        self.seen[f"{partition}x{tensor}"] = {
            "started": started,
            "difference": difference(whole(trainer), self.wanted),
            "micro_steps": trainer.micro_steps,
            "wire": sorted([*key, count] for key, count in wire.seen.items()),
            "shapes": {n: list(p.shape) for n, p in trainer.sharded.parameters.items()},
            "layout": asdict(trainer.layout),
        }

    def variants(self) -> None:
        """Settings that change memory and speed, and must not change the result."""
        half = str(max(1, self.size // 2))
        cases = {
            "recompute": {"numerics__checkpoint_every": "1"},
            "keep gathered": {"parallel__reshard_after_forward": "false"},
            "smaller micro-batch": {"data__micro_batch": "1"},
            "rotary": {"model__positions": "rotary"},
            "rotary, tensor": {
                "model__positions": "rotary",
                "parallel__tensor_parallel": "2",
                "parallel__partition_size": str(self.size),
            },
            "recompute, tensor": {
                "numerics__checkpoint_every": "1",
                "parallel__tensor_parallel": "2",
                "parallel__partition_size": str(self.size),
            },
        }
        if self.size == 8:
            cases = {name: cases[name] for name in ("recompute, tensor",)}
        if self.size > 2:
            cases["hierarchical"] = {
                "parallel__hierarchical_gather": "true",
                "parallel__partition_size": str(self.size),
            }
        for name, changes in cases.items():
            trainer = self.trainer(**{"parallel__partition_size": half, **changes})
            rotary = "-rotary" if trainer.settings.model.positions == "rotary" else ""
            wanted = torch.load(self.work / f"wanted{rotary}.pt")
            steps(trainer, STEPS - 1)
            feed = Prefetch(trainer.batches.from_step(trainer.step), trainer.device)
            with Wire() as wire:
                trainer._step(feed)
            feed.close()
            self.seen[name] = {
                "difference": difference(whole(trainer), wanted),
                "wire": sorted([*key, count] for key, count in wire.seen.items()),
            }

    def resume(self) -> None:
        """Write at step 2 on four ranks, go on to 5; every world then goes on from step 2."""
        shared = self.work / "checkpoints"
        layout = {"parallel__partition_size": "2"}
        if self.size == 4:
            # bf16 weights with fp32 masters, the shipped precision: bit for bit on one layout.
            for dtype in ("fp64", "bf16"):
                path = str(shared / dtype)
                changes = {**layout, "numerics__dtype": dtype, "checkpoint__path": path}
                trainer = self.trainer(**changes)
                steps(trainer, 2)
                trainer._save()
                losses = steps(trainer, 3)
                finish(trainer)
                after = whole(trainer)
                again = self.trainer(**changes)
                losses_again = steps(again, 3)
                self.seen[f"same layout, {dtype}"] = {
                    "difference": difference(after, whole(again)),
                    "losses": [losses, losses_again],
                    "step": again.step,
                }
                if dtype == "fp64" and dist.get_rank() == 0:
                    torch.save(after, self.work / "resumed.pt")
                dist.barrier()
            self.damage()
        wanted = torch.load(self.work / "resumed.pt")
        for partition, tensor in self.layouts():
            if tensor > 1 and partition < self.size:
                continue
            trainer = self.trainer(
                parallel__partition_size=str(partition),
                parallel__tensor_parallel=str(tensor),
                checkpoint__path=str(shared / "fp64"),
            )
            first = trainer.step
            steps(trainer, 3)
            self.seen[f"resume {partition}x{tensor}"] = {
                "from": first,
                "difference": difference(whole(trainer), wanted),
            }

    def damage(self) -> None:
        """Three checkpoints, the newest two damaged in different ways."""
        path = self.work / "damaged"
        changes = {
            "parallel__partition_size": "2",
            "checkpoint__path": str(path),
            "run__path": str(self.work / "damaged-run"),
        }
        trainer = self.trainer(**changes)
        for _ in range(3):
            steps(trainer, 1)
            trainer._save()
        finish(trainer)
        if dist.get_rank() == 0:
            flip(next((path / "step-00000003").glob("__0_*.distcp")))
            next((path / "step-00000002").glob("__1_*.distcp")).unlink()
        dist.barrier()
        again = self.trainer(**changes)
        self.seen["damage"] = {"step": again.step, "left": sorted(p.name for p in path.iterdir())}
        steps(again, 1)
        again._save()
        finish(again)
        self.seen["damage"]["after"] = sorted(p.name for p in path.iterdir())
        if dist.get_rank() == 0:
            for folder in path.glob("step-*"):
                (folder / "manifest.json").write_text("{")
        dist.barrier()
        try:
            self.trainer(**changes)
        except UserError as error:
            self.seen["damage"]["all"] = f"{type(error).__name__}: {error}"
        other = {**changes, "checkpoint__path": str(self.work / "checkpoints" / "fp64")}
        try:
            self.trainer(**other, model__layers="3")
        except UserError as error:
            self.seen["other model"] = f"{type(error).__name__}: {error}"


def flip(file: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def main(work: Path, *sizes: str) -> int:
    """Run the worlds one after the other, to the first that fails."""
    torch.set_num_threads(1)
    return int(not all(done(int(size), work) for size in sizes))


def done(size: int, work: Path) -> bool:
    """Run a world, and return whether it ended well."""
    children = []
    said = os.open(work / f"world-{size}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    meeting = str(work / f"store-{size}")
    for rank in range(size):
        child = os.fork()
        if child == 0:
            status = 1
            os.dup2(said, 1)
            os.dup2(said, 2)
            try:
                dist.init_process_group(
                    "gloo",
                    rank=rank,
                    world_size=size,
                    timeout=timedelta(seconds=90),
                    store=dist.FileStore(meeting, size),  # type: ignore[attr-defined] # not in its stub
                )
                world = World(size, work)
                world.run()
                if rank == 0:
                    (work / f"world-{size}.json").write_text(json.dumps(world.seen, indent=1))
                dist.barrier()
                status = 0
            except BaseException:  # noqa: BLE001 - a fork must not run on into its parent's code
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        children.append(child)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    os.close(said)
    return not any(statuses)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))

"""MiCS against ZeRO-3, really run, on nodes joined by slow links.

    python benchmarks/training/mics_network.py [--nodes 2 4] [--mbit 300] [--steps 3]

A "node" is a network namespace with two processes (gloo); namespaces meet in a bridge through veth
pairs whose both ends a token bucket (tc tbf) holds to the given rate, as a network card would. The
shipped program trains the same model on the same batches with every layout. Printed: seconds per
step, ZeRO-3's over each layout's, and the bytes that left a node per step beside the formula. Needs
root, `ip` and `tc` (apt-get install iproute2); without them it says so and does nothing. Whatever
happens, its namespaces are removed.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.distributed.fsdp import FSDPModule  # noqa: E402

from training import prepare  # noqa: E402
from training.data import Prefetch  # noqa: E402
from training.mesh import Launch  # noqa: E402
from training.recipes import SMOKE  # noqa: E402
from training.settings import Settings  # noqa: E402
from training.trainer import Trainer  # noqa: E402

PER_NODE = 2
MTU = 9000
"""Jumbo frames, as EC2's: 66 bytes of headers are 0.7 % of such a frame."""
MICRO_STEPS = 4
TOLERANCE = 0.02
COUNTER = Path("/sys/class/net/eth0/statistics/tx_bytes")


@dataclass(frozen=True, slots=True)
class Case:
    """A layout to run.

    Attributes:
        name: For the table.
        partition: Ranks of a partition group.
        hierarchical: Whether weights are gathered between nodes first.
    """

    name: str
    partition: int
    hierarchical: bool = False


class RingReduceScatter:
    """A reduce-scatter that sends (p-1)/p of its input, as NCCL's ring does.

    gloo's own is an all-reduce of which it drops the rest: 2 * (p-1)/p. That would flatter MiCS,
    whose reduce-scatters stay inside the node. FSDP2 calls this in its place.
    """

    def allocate(
        self, size: Sequence[int | torch.SymInt], *, dtype: torch.dtype, device: torch.device
    ) -> Tensor:
        """Return an uninitialised buffer."""
        return torch.empty(*size, dtype=dtype, device=device)

    def __call__(
        self,
        output_tensor: Tensor,
        input_tensor: Tensor,
        group: dist.ProcessGroup,
        op: Any,
        async_op: bool = False,  # noqa: FBT001, FBT002 - the protocol's
    ) -> None:
        """Fill `output_tensor` with this rank's part of the sum; `input_tensor` is scratch."""
        assert op == dist.ReduceOp.SUM  # noqa: S101
        assert not async_op  # noqa: S101
        p, rank = group.size(), group.rank()
        right, left = (dist.get_global_rank(group, (rank + by) % p) for by in (1, -1))
        parts, arriving = input_tensor.view(p, -1), torch.empty_like(output_tensor)
        for turn in range(p - 1):
            sending = dist.isend(parts[(rank - turn - 1) % p], right, group=group)
            dist.recv(arriving, left, group=group)
            parts[(rank - turn - 2) % p] += arriving
            assert sending is not None  # noqa: S101 - this rank is of the group
            sending.wait()
        output_tensor.copy_(parts[rank])


def cases(nodes: int) -> list[Case]:
    """Return the layouts for so many nodes, ZeRO-3 first."""
    world = nodes * PER_NODE
    found = [Case("ZeRO-3", world), Case("ZeRO-3, hierarchical", world, hierarchical=True)]
    if nodes > 2:  # noqa: PLR2004 - a group of two nodes is ZeRO-3 on two
        found.append(Case("MiCS, groups of 2 nodes", 2 * PER_NODE))
    return [*found, Case("MiCS, groups of 1 node", PER_NODE)]


def settings_for(case: Case, nodes: int, tokens: str) -> Settings:
    """Return the run of a layout; the batch is the same for all of one number of nodes."""
    return SMOKE.override(
        {
            "model.layers": "4",
            "model.width": "256",
            "model.heads": "4",
            "model.sequence": "32",
            "data.path": tokens,
            "data.micro_batch": "1",
            "data.global_batch": str(nodes * PER_NODE * MICRO_STEPS),
            "parallel.partition_size": str(case.partition),
            "parallel.hierarchical_gather": str(case.hierarchical),
            "checkpoint.path": "none",
            "checkpoint.every": "0",
            "run.path": "none",
        }
    )


def formula(case: Case, nodes: int, blocks: int, outer: int) -> float:
    """Return the bytes that a ring sends over each node's link in one optimizer step.

    With M bytes of weights in groups of p ranks, k to a node, r replicas and g micro-steps:
    gathers and reduce-scatters cross nodes only where p > k, (p-1)/p of M each, or (p-k)/p for a
    hierarchical gather; the all-reduce of M/p by each of k ranks crosses 2 * (r-1)/r of it.

    Args:
        case: The layout.
        nodes: Nodes of the run.
        blocks: Bytes of the blocks' weights.
        outer: Bytes of the weights outside them, which are gathered once and not twice.
    """
    p, k, total = case.partition, PER_NODE, blocks + outer
    r = nodes * k // p
    gathers = MICRO_STEPS * (2 * blocks + outer)
    scatters = MICRO_STEPS * total
    inside = 0.0
    if p > k:
        share = (p - k) / p if case.hierarchical else (p - 1) / p
        inside = gathers * share + scatters * (p - 1) / p
    return inside + k * 2 * (r - 1) / r * total / p


def run_ip(*words: str, where: str | None = None) -> None:
    """Run `ip` or, in a namespace, `ip` or `tc`.

    Raises:
        RuntimeError: With what the command said, if it failed.
    """
    command = ["ip", "netns", "exec", where, *words] if where else ["ip", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


@contextmanager
def network(nodes: int, mbit: int) -> Iterator[list[str]]:
    """Join so many namespaces by a bridge, and remove everything afterwards."""
    prefix = f"uc-{os.getpid()}"
    switch, names = f"{prefix}-switch", [f"{prefix}-node{i}" for i in range(nodes)]
    limit = ["root", "tbf", "rate", f"{mbit}mbit", "burst", "64kb", "latency", "200ms"]
    with ExitStack() as undo:
        for name in (switch, *names):
            run_ip("netns", "add", name)
            undo.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
            run_ip("ip", "link", "set", "lo", "up", where=name)
        run_ip("ip", "link", "add", "bridge", "mtu", str(MTU), "type", "bridge", where=switch)
        run_ip("ip", "link", "set", "bridge", "up", where=switch)
        for index, name in enumerate(names):
            port = f"port{index}"
            run_ip(
                "ip",
                "link",
                "add",
                port,
                "mtu",
                str(MTU),
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "mtu",
                str(MTU),
                "netns",
                name,
                where=switch,
            )
            run_ip("ip", "link", "set", port, "master", "bridge", "up", where=switch)
            run_ip("ip", "addr", "add", f"10.77.0.{index + 1}/24", "dev", "eth0", where=name)
            run_ip("ip", "link", "set", "eth0", "up", where=name)
            run_ip("tc", "qdisc", "add", "dev", port, *limit, where=switch)
            run_ip("tc", "qdisc", "add", "dev", "eth0", *limit, where=name)
        yield names


def worker(case: Case, nodes: int, tokens: str, steps: int, out: Path) -> int:
    """Train as one rank, and write time and bytes of the measured steps."""
    torch.set_num_threads(1)
    launch = Launch.read(os.environ)
    launch.join()
    trainer = Trainer(settings_for(case, nodes, tokens), launch)
    for part in trainer.sharded.module.modules():
        if isinstance(part, FSDPModule):
            part.set_custom_reduce_scatter(RingReduceScatter())  # type: ignore[arg-type] # the base is private
    parameters = trainer.sharded.parameters
    sizes = {name: value.numel() * value.element_size() for name, value in parameters.items()}
    feed = Prefetch(trainer.batches.from_step(0), trainer.device)
    trainer._step(feed)  # noqa: SLF001 - connections are made in the first step
    seconds, sent = [], []
    for _ in range(steps):
        dist.barrier()
        before, began = int(COUNTER.read_text()), time.perf_counter()
        loss = trainer._step(feed).values[0].item()  # noqa: SLF001
        seconds.append(time.perf_counter() - began)
        dist.barrier()
        sent.append(int(COUNTER.read_text()) - before)
    feed.close()
    dist.barrier()
    blocks = sum(size for name, size in sizes.items() if name.startswith("blocks."))
    (out / f"{launch.rank}.json").write_text(
        json.dumps(
            {
                "seconds": seconds,
                "sent": sent,
                "blocks": blocks,
                "outer": sum(sizes.values()) - blocks,
                "loss": loss,
            }
        ),
        encoding="utf-8",
    )
    dist.destroy_process_group()
    return 0


def measure(case: Case, names: Sequence[str], tokens: str, steps: int) -> dict[str, Any]:
    """Run one layout on the namespaces and return its figures.

    Raises:
        RuntimeError: If a rank failed.
    """
    nodes = len(names)
    with tempfile.TemporaryDirectory() as folder:
        processes = []
        try:
            for rank in range(nodes * PER_NODE):
                environment = {
                    **os.environ,
                    "RANK": str(rank),
                    "WORLD_SIZE": str(nodes * PER_NODE),
                    "LOCAL_RANK": str(rank % PER_NODE),
                    "LOCAL_WORLD_SIZE": str(PER_NODE),
                    "MASTER_ADDR": "10.77.0.1",
                    "MASTER_PORT": "29500",
                    "GLOO_SOCKET_IFNAME": "eth0",
                    "OMP_NUM_THREADS": "1",
                    "TORCH_CPP_LOG_LEVEL": "ERROR",
                }
                command = [
                    "ip",
                    "netns",
                    "exec",
                    names[rank // PER_NODE],
                    sys.executable,
                    __file__,
                    "--worker",
                    case.name,
                    "--nodes",
                    str(nodes),
                    "--tokens",
                    tokens,
                    "--steps",
                    str(steps),
                    "--out",
                    folder,
                ]
                processes.append(subprocess.Popen(command, env=environment))
            statuses = [process.wait(300) for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.wait()
        if any(statuses):
            raise RuntimeError(f"{case.name} on {nodes} nodes: ranks ended with {statuses}")
        seen = [
            json.loads((Path(folder) / f"{rank}.json").read_text(encoding="utf-8"))
            for rank in range(nodes * PER_NODE)
        ]
    first = seen[0]
    each_node = [statistics.median(s["sent"]) for s in seen[::PER_NODE]]
    return {
        "seconds": statistics.median(first["seconds"]),
        "sent": statistics.fmean(each_node),
        "formula": formula(case, nodes, first["blocks"], first["outer"]),
        "loss": first["loss"],
    }


def compare(nodes: int, mbit: int, steps: int, tokens: str) -> bool:
    """Run every layout on so many nodes, print a table, return whether bytes and losses agree."""
    sys.stdout.write(
        f"\n{nodes} nodes of {PER_NODE} ranks, links of {mbit} Mbit/s, {MICRO_STEPS} micro-steps\n"
        f"{'':26}{'s/step':>9}{'faster':>8}{'MB sent':>10}{'formula':>10}{'off':>8}{'loss':>10}\n"
    )
    rows: list[dict[str, Any]] = []
    with network(nodes, mbit) as names:
        for case in cases(nodes):
            row = measure(case, names, tokens, steps)
            rows.append(row)
            off = row["sent"] / row["formula"] - 1
            sys.stdout.write(
                f"{case.name:26}{row['seconds']:9.3f}{rows[0]['seconds'] / row['seconds']:7.2f}x"
                f"{row['sent'] / 1e6:10.2f}{row['formula'] / 1e6:10.2f}{off:8.2%}"
                f"{row['loss']:10.5f}\n"
            )
            sys.stdout.flush()
    same_loss = max(r["loss"] for r in rows) - min(r["loss"] for r in rows) < 1e-4  # noqa: PLR2004
    return same_loss and all(abs(r["sent"] / r["formula"] - 1) < TOLERANCE for r in rows)


def obstacle() -> str | None:
    """Return why this machine cannot measure, or None."""
    missing = [tool for tool in ("ip", "tc") if not shutil.which(tool)]
    if missing:
        return f"{' and '.join(missing)} not found; apt-get install -y iproute2"
    if os.geteuid():
        return "network namespaces need root; run it with sudo"
    try:
        with network(2, 100):
            return None
    except RuntimeError as error:
        return f"this machine does not let namespaces be joined ({error})"


def interrupted(number: int, _frame: FrameType | None) -> None:
    """End by an exception, so that namespaces are removed on the way out."""
    raise SystemExit(128 + number)


def main() -> int:
    """Measure, and return 0 if the bytes are those of the formula."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--mbit", type=int, default=300)
    parser.add_argument("--steps", type=int, default=3)
    for name in ("--worker", "--tokens", "--out"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        case = next(case for case in cases(given.nodes[0]) if case.name == given.worker)
        return worker(case, given.nodes[0], given.tokens, given.steps, Path(given.out))
    signal.signal(signal.SIGTERM, interrupted)
    if reason := obstacle():
        sys.stdout.write(f"bench-network: {reason}. Nothing measured.\n")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        tokens = f"{folder}/tokens"
        prepare.main(["--out", tokens, "--sample"])
        agreed = [compare(nodes, given.mbit, given.steps, tokens) for nodes in given.nodes]
    sys.stdout.write(
        f"\nbytes within {TOLERANCE:.0%} of the formula, and one loss for all layouts: "
        f"{'yes' if all(agreed) else 'NO'}\n"
    )
    return 0 if all(agreed) else 1


if __name__ == "__main__":
    sys.exit(main())

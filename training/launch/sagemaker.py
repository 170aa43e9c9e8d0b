"""Entry point of a SageMaker training job: ContainerEntrypoint python -m training.launch sagemaker.

It is our own so that nothing holds of what SageMaker's launchers force on a job: RDMAV_FORK_SAFE on
P4d, NCCL_PROTO=simple everywhere, and hosts numbered as texts (algo-1, algo-10, algo-2), which
scatters the partition groups of MiCS (sagemaker-python-sdk a248126, torchrun_driver.py; read
2026-11-24). The base image's entry point is replaced, too, so its choice of CUDA's compatibility
libraries is made here.

Hyperparameters, all of them texts:

    engine      training (this repository's program), torchtitan, or the name of another one
    recipe      for the first two: a name of training/recipes.py or training/torchtitan/recipes.py,
                or the path of a file
    settings    for the first two: a JSON object of dotted settings, as after --set
    program     for another engine: the script; relative to /opt/ml/code
    arguments   for another engine: a JSON list of texts

Ends as the ranks end: 0, 2 for a mistake, 74 when the last checkpoint could not be written, 75 when
SIGTERM came and the state was saved. What went wrong is in /opt/ml/output/failure, of which
SageMaker shows 1,024 characters as FailureReason.
"""

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from training.launch import contract, ranks
from training.launch.check import FABRICS, MISTAKEN, UNAVAILABLE, VARIABLE, check
from training.launch.environment import chosen
from training.launch.machine import Machine
from training.launch.sagemaker_job import Cluster, command, plain, read_json
from training.problems import UserError

PORT: Final = 7777
"""Port of rank 0; SageMaker's launchers use the same."""

REASON: Final = 1024
"""Characters of the failure file that SageMaker shows (DescribeTrainingJob, FailureReason)."""

TERMINATED: Final = 128 + signal.SIGTERM
"""What a shell ends with when SIGTERM ended it."""

PATIENCE_SECONDS: Final = 600.0
"""How long the name of the first host may take to be known; hosts start minutes apart."""


def environment(
    cluster: Cluster, given: Mapping[str, str], machine: Machine, *, fabric: bool
) -> dict[str, str]:
    own = dict(given)
    if cluster.interface:
        # SageMaker names the interface; a value of the job's own wins.
        own.setdefault("NCCL_SOCKET_IFNAME", cluster.interface)
        own.setdefault("GLOO_SOCKET_IFNAME", cluster.interface)
    # The host name inside is the same everywhere, and NCCL knows nodes apart by it and the boot id.
    own.setdefault("NCCL_HOSTID", cluster.host)
    # As torchrun: ranks that all take every core are slower than ranks that take one.
    own.setdefault("OMP_NUM_THREADS", "1")
    kind = (cluster.instance_type or "").removeprefix("ml.") or None
    return chosen(own, plugin=machine.plugin_version, instance=kind, fabric=fabric)


def await_name(host: str, patience: float) -> None:
    """Wait until a host's name is known."""
    deadline = time.monotonic() + patience
    while True:
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            if time.monotonic() > deadline:
                raise UserError(
                    f"{host} has had no address for {patience:.0f} seconds: the host of "
                    "rank 0 did not start"
                ) from None
            time.sleep(1.0)
        else:
            return


def fail(root: Path, text: str, status: int) -> int:
    """Write why the job failed where SageMaker reads it, and return the status."""
    sys.stderr.write(f"ERROR {text}\n")
    with contextlib.suppress(OSError):
        (root / "output").mkdir(parents=True, exist_ok=True)
        (root / "output" / "failure").write_text(text[:REASON], "utf-8", "replace")
    return status


def run(root: Path, given: Mapping[str, str], *, patience: float = PATIENCE_SECONDS) -> int:
    """Check this host, start its ranks, and return the exit status."""
    try:
        cluster = Cluster.read(root)
        values = plain(read_json(root / "input" / "config" / "hyperparameters.json"))
        each = command(values, root)
    except UserError as error:
        return fail(root, str(error), MISTAKEN)
    fabric = given.get(VARIABLE, "auto")
    if fabric not in FABRICS:
        words = f"{VARIABLE}={fabric}: is no choice; write {' or '.join(FABRICS)}"
        return fail(root, words, MISTAKEN)
    machine = Machine(Machine(given).with_compatibility())
    report = check(
        machine, fabric=fabric, instance_type=cluster.instance_type, nodes=len(cluster.hosts)
    )
    for finding in report.findings:
        if finding.weight == "warning":
            sys.stderr.write(f"WARNING {finding.text}\n")
    if report.status:
        texts = [f.text for f in report.findings if f.weight != "warning"]
        return fail(root, f"{cluster.host}: {'; '.join(texts)}", report.status)
    # PID 1 of a container ignores signals that it has no handler for.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        await_name(cluster.hosts[0], patience)
    except UserError as error:
        return fail(root, f"{cluster.host}: {error}", UNAVAILABLE)
    finally:
        signal.signal(signal.SIGTERM, before)
    place = ranks.Place(
        node=cluster.number,
        nodes=len(cluster.hosts),
        ranks=max(len(machine.topology.gpus), 1),
        master=cluster.hosts[0],
        port=PORT,
    )
    bound = [sys.executable, "-m", "training.launch", "rank", "--", *each]
    inherited = environment(cluster, machine.environment, machine, fabric=report.fabric)
    sys.stdout.write(
        f"{cluster.host}: node {place.node} of {place.nodes}, {place.ranks} ranks, "
        f"{'EFA' if report.fabric else 'no fabric was asked for'}\n"
    )
    sys.stdout.flush()
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    end = ranks.run(bound, place, inherited)
    if not end.status:
        return 0
    known = {
        contract.AGAIN: f"rank {end.rank} was stopped after it had saved its state (75); the same "
        "job goes on from there",
        contract.UNSAVED: f"rank {end.rank} ended without its last checkpoint, which could not be "
        "written (74); the log says why after NO CHECKPOINT, and from which step the same job goes "
        "on",
        contract.NOT_FINITE: f"rank {end.rank} no longer learns (65): {end.said}",
    }
    said = f"rank {end.rank} ended with {end.status}: {end.said or 'without a word'}"
    return fail(root, known.get(end.status, f"{cluster.host}: {said}"), end.status)

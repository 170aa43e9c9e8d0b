"""Entry point of a SageMaker training job: ContainerEntrypoint python -m training.launch sagemaker.

It is our own so that nothing holds of what SageMaker's launchers force on a job: RDMAV_FORK_SAFE on
P4d, NCCL_PROTO=simple everywhere, and hosts numbered as texts (algo-1, algo-10, algo-2), which
scatters the partition groups of MiCS (sagemaker-python-sdk a248126, torchrun_driver.py; read
2026-11-24). The base image's entry point is replaced, too, so its choice of CUDA's compatibility
libraries is made here.

Hyperparameters, all of them texts:

    engine      training (this repository's program), or the name of another one
    recipe      for training: a name of training/recipes.py, or the path of a file
    settings    for training: a JSON object of dotted settings, as after --set
    program     for another engine: the script; relative to /opt/ml/code
    arguments   for another engine: a JSON list of texts

Ends as the ranks end: 0, 2 for a mistake, 75 when SIGTERM came and the state was saved. What went
wrong is in /opt/ml/output/failure, of which SageMaker shows 1,024 characters as FailureReason.
"""

import contextlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from training.launch import ranks
from training.launch.check import MISTAKEN, UNAVAILABLE, check
from training.launch.environment import chosen
from training.launch.machine import Machine

PORT: Final = 7777
"""Port of rank 0; SageMaker's launchers use the same."""

REASON: Final = 1024
"""Characters of the failure file that SageMaker shows (DescribeTrainingJob, FailureReason)."""

PATIENCE_SECONDS: Final = 600.0
"""How long the name of the first host may take to be known; hosts start minutes apart."""


class JobError(Exception):
    """A job that cannot be as it was asked for: printed as text, never as a stack trace."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The hosts of one job.

    Attributes:
        host: This one.
        hosts: All of them in the order of their numbers.
        instance_type: This host's, as SageMaker writes it.
        interface: Network interface between the hosts.
    """

    host: str
    hosts: tuple[str, ...]
    instance_type: str | None
    interface: str | None

    @classmethod
    def read(cls, root: Path) -> "Cluster":
        """Return what SageMaker wrote into input/config/resourceconfig.json.

        Raises:
            JobError: If it is not there, or makes no sense.
        """
        found = read_json(root / "input" / "config" / "resourceconfig.json")
        try:
            host, hosts = str(found["current_host"]), [str(name) for name in found["hosts"]]
        except (KeyError, TypeError):
            raise JobError("resourceconfig.json names no current_host and hosts") from None
        if host not in hosts:
            raise JobError(f"resourceconfig.json says this host is {host}, which is not of its "
                           f"hosts {', '.join(hosts)}")  # fmt: skip
        groups = found.get("instance_groups") or []
        types = {str(group.get("instance_type")) for group in groups}
        if len(types) > 1:
            raise JobError(f"instance groups are of {', '.join(sorted(types))}: EFA joins nodes of "
                           "one type; write one instance type")  # fmt: skip
        return cls(host, tuple(sorted(hosts, key=numbered)), found.get("current_instance_type"),
                   found.get("network_interface_name"))  # fmt: skip

    @property
    def number(self) -> int:
        """Index of this host."""
        return self.hosts.index(self.host)


def numbered(name: str) -> tuple[str, int]:
    """Return what to sort host names by, so that algo-2 comes before algo-10."""
    found = re.fullmatch(r"(.*?)(\d+)", name)
    return (found[1], int(found[2])) if found else (name, -1)


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        JobError: If there is none.
    """
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise JobError(
            f"{path}: {error.strerror}; this is the entry point of SageMaker training jobs, which "
            "write it"
        ) from None
    except ValueError as error:
        raise JobError(f"{path}: is no JSON: {error}") from None


def plain(values: Mapping[str, Any]) -> dict[str, str]:
    """Return hyperparameters as plain texts; SageMaker's SDK writes them as JSON."""
    found = {}
    for name, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value)
        if text[:1] == '"':
            with contextlib.suppress(ValueError):
                text = str(json.loads(text))
        found[name] = text
    return found


def _parsed(values: Mapping[str, str], name: str, kind: type, example: str) -> Any:
    text = values.get(name, "")
    if not text:
        return kind()
    try:
        found = json.loads(text)
    except ValueError as error:
        raise JobError(f"hyperparameter {name} is no JSON ({error}); write {example}") from None
    if not isinstance(found, kind):
        raise JobError(f"hyperparameter {name} is {type(found).__name__}; write {example}")
    return found


def setting(name: str, value: Any) -> str:
    """Return one setting as `--set` takes it.

    Raises:
        JobError: If the value has no such text.
    """
    if isinstance(value, bool):
        return f"{name}={str(value).lower()}"
    if value is None:
        return f"{name}=none"
    if isinstance(value, list) and all(isinstance(v, int | float) for v in value):
        return f"{name}={','.join(map(str, value))}"
    if isinstance(value, str | int | float):
        return f"{name}={value}"
    raise JobError(
        f"hyperparameter settings: {name} is {json.dumps(value)}; write a number or text"
    )


def command(values: Mapping[str, str], root: Path) -> list[str]:
    """Return what each rank is to run.

    Raises:
        JobError: If the hyperparameters do not say it.
    """
    engine = values.get("engine")
    if engine is None:
        raise JobError("there is no hyperparameter engine; write training, or another engine's "
                       "name and its program")  # fmt: skip
    if engine == "training":
        recipe = values.get("recipe")
        if not recipe:
            raise JobError("engine is training and there is no hyperparameter recipe; write the "
                           "name of one, gpt-30b-p4d for example")  # fmt: skip
        given = _parsed(values, "settings", dict, '{"parallel.partition_size": 32}')
        changes = [part for n, v in given.items() for part in ("--set", setting(n, v))]
        return [sys.executable, "-m", "training.train", recipe, *changes]
    program = values.get("program")
    if not program:
        raise JobError(f"engine is {engine} and there is no hyperparameter program; write the "
                       "path of its script")  # fmt: skip
    path = Path(program) if Path(program).is_absolute() else root / "code" / program
    if not path.is_file():
        raise JobError(f"{path}: there is no such file; write a path in the image or in /opt/ml")
    arguments = _parsed(values, "arguments", list, '["--epochs", "3"]')
    start = [sys.executable, str(path)] if path.suffix == ".py" else [str(path)]
    return [*start, *map(str, arguments)]


def environment(
    cluster: Cluster, given: Mapping[str, str], machine: Machine, *, fabric: bool
) -> dict[str, str]:
    """Return what the ranks inherit."""
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
    """Wait until a host's name is known.

    Raises:
        JobError: If it is not in time.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            if time.monotonic() > deadline:
                raise JobError(f"{host} has had no address for {patience:.0f} seconds: the host of "
                               "rank 0 did not start") from None  # fmt: skip
            time.sleep(1.0)
        else:
            return


def fail(root: Path, text: str, status: int) -> int:
    """Write why the job failed where SageMaker reads it, and return the status."""
    sys.stderr.write(f"ERROR {text}\n")
    with contextlib.suppress(OSError):
        (root / "output").mkdir(parents=True, exist_ok=True)
        (root / "output" / "failure").write_text(text[:REASON])
    return status


def run(root: Path, given: Mapping[str, str], *, patience: float = PATIENCE_SECONDS) -> int:
    """Check this host, start its ranks, and return the exit status.

    Args:
        root: SageMaker's folder, /opt/ml.
        given: Environment of the container.
        patience: Seconds that the first host's name may take to be known.
    """
    try:
        cluster = Cluster.read(root)
        values = plain(read_json(root / "input" / "config" / "hyperparameters.json"))
        each = command(values, root)
    except JobError as error:
        return fail(root, str(error), MISTAKEN)
    machine = Machine(Machine(given).with_compatibility())
    report = check(machine, instance_type=cluster.instance_type, nodes=len(cluster.hosts))
    for finding in report.findings:
        if finding.weight == "warning":
            sys.stderr.write(f"WARNING {finding.text}\n")
    if report.status:
        texts = [f.text for f in report.findings if f.weight != "warning"]
        return fail(root, f"{cluster.host}: {'; '.join(texts)}", report.status)
    try:
        await_name(cluster.hosts[0], patience)
    except JobError as error:
        return fail(root, f"{cluster.host}: {error}", UNAVAILABLE)
    place = ranks.Place(
        node=cluster.number,
        nodes=len(cluster.hosts),
        ranks=max(len(machine.topology.gpus), 1),
        master=cluster.hosts[0],
        port=PORT,
    )
    bound = [sys.executable, "-m", "training.launch", "rank", "--", *each]
    inherited = environment(cluster, machine.environment, machine, fabric=report.fabric)
    sys.stdout.write(f"{cluster.host}: node {place.node} of {place.nodes}, {place.ranks} ranks, "
                     f"{'EFA' if report.fabric else 'no fabric was asked for'}\n")  # fmt: skip
    sys.stdout.flush()
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    end = ranks.run(bound, place, inherited)
    if end.status == ranks.AGAIN:
        return fail(root, f"rank {end.rank} was stopped after it had saved its state (75); the "
                    "same job goes on from there", end.status)  # fmt: skip
    if end.status:
        return fail(root, f"{cluster.host}: rank {end.rank} ended with {end.status}: "
                    f"{end.said or 'without a word'}", end.status)  # fmt: skip
    return 0

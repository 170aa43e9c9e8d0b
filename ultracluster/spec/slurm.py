"""Slurm on the cluster's nodes, managed by AWS Parallel Computing Service (PCS)."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from ultracluster.catalogue.images import PCS_READY_AMI, PCS_READY_AMI_ARM64
from ultracluster.catalogue.slurm import (
    CONTROLLER_ADDRESSES,
    HEALTH_CHECKS_SINCE,
    MOST_PARTS,
    size_for,
)
from ultracluster.problem import Problem, choices, repeated
from ultracluster.spec.base import Spec, UndeterminedError, rule
from ultracluster.spec.health_checks import HealthChecksSpec
from ultracluster.spec.node_groups import (
    INSTANCE_TYPE,
    AcceleratedGroupSpec,
    CpuGroupSpec,
    architecture,
)
from ultracluster.spec.nodes import NodesSpec
from ultracluster.spec.queues import ENVIRONMENTS_NODES, QueueSpec
from ultracluster.spec.users import HOME, HomeStorageSpec, UsersSpec

__all__ = [
    "PCS_READY_AMI",
    "PCS_READY_AMI_ARM64",
    "AcceleratedGroupSpec",
    "CpuGroupSpec",
    "HealthChecksSpec",
    "QueueSpec",
    "SlurmSpec",
]

LONGEST_NAME: Final = 25 - len("login-")


class SlurmSpec(Spec):
    """A PCS cluster that launches the environment's nodes for jobs, and stops idle ones.

    PCS uses the environment's launch template, placement group and capacity; there is no Auto
    Scaling group.
    """

    version: Literal["24.11", "25.05", "25.11", "26.05"] = "25.11"
    """Version of Slurm; the image must have the same one."""

    size: Literal["SMALL", "MEDIUM", "LARGE"] | None = None
    """Size of the Slurm controller: SMALL manages 32 instances, MEDIUM 512 and LARGE 2,048. None
    takes the smallest for the nodes and login nodes. A change replaces the cluster, so take a
    larger one if it is to grow."""

    queues: Annotated[tuple[QueueSpec, ...], Field(min_length=1, max_length=MOST_PARTS)] = (
        QueueSpec(),
    )
    """The queues. Jobs that name no queue go to the first one."""

    node_groups: tuple[AcceleratedGroupSpec | CpuGroupSpec, ...] = ()
    """Further node groups, of other instance types, other capacity or without accelerators."""

    least_nodes: Annotated[int, Field(ge=0)] | None = None
    """Minimum number of running nodes, also without jobs; each is billed. None is all nodes if they
    run in a reservation or Capacity Block, which are paid for anyway, and otherwise 0."""

    idle_seconds: Annotated[int, Field(ge=60, le=86400)] = 600
    """Seconds without a job after which a node is stopped."""

    accounting_days: Annotated[int, Field(ge=-1, le=10000)] | None = None
    """Retention of job records in days, -1 for ever. None turns accounting off, which is billed."""

    repairs: bool = True
    """Whether a node that fails its checks repairs itself: it resets its GPUs, or has Slurm reboot
    it. With False it is only drained; use this together with repairs by `health_checks`."""

    health_checks: HealthChecksSpec | None = None
    """Health checks by PCS, of every node group that runs jobs; with None only the nodes check and
    repair themselves (decision 0022)."""

    users: UsersSpec | None = None
    """The users of the cluster; with None only those of the image."""

    home_storage: HomeStorageSpec | None = None
    """A file system for `/home` that all nodes share; with None each node has its own `/home`."""

    login_instance_type: str | None = "m6i.xlarge"
    """Instance type of the login nodes; None for no login nodes."""

    login_nodes: Annotated[int, Field(ge=1, le=8)] = 1
    """Number of login nodes. They always run, and are reached by Systems Manager sessions."""

    login_image: str | None = None
    """AMI id or SSM parameter of the login nodes' image; None takes the image of the nodes. With a
    separate image, login nodes are not replaced, and their sessions not ended, when the image of
    the nodes changes."""

    @property
    def login_architecture(self) -> str:
        """Architecture of the login nodes' instance type."""
        return architecture(self.login_instance_type or "")

    @property
    def login_instances(self) -> int:
        return 0 if self.login_instance_type is None else self.login_nodes

    @property
    def sound_login_type(self) -> str | None:
        """Instance type of the login nodes, if it is a valid name."""
        given = self.login_instance_type
        if given is not None and not INSTANCE_TYPE.fullmatch(given):
            raise UndeterminedError(given)
        return given

    @property
    def queue(self) -> str:
        """Name of the queue for jobs that name none."""
        return self.queues[0].name

    @property
    def accelerated(self) -> tuple[AcceleratedGroupSpec, ...]:
        return tuple(g for g in self.node_groups if isinstance(g, AcceleratedGroupSpec))

    @property
    def cpu(self) -> tuple[CpuGroupSpec, ...]:
        return tuple(g for g in self.node_groups if isinstance(g, CpuGroupSpec))

    @property
    def addresses(self) -> int:
        """Number of private IPv4 addresses of controller, login nodes and `/home`."""
        return CONTROLLER_ADDRESSES + self.login_instances + (self.home_storage is not None)

    @property
    def addresses_of_groups(self) -> int:
        """Number of private IPv4 addresses of the further node groups at full size."""
        fabric = sum(group.total * group.addresses_per_node for group in self.accelerated)
        return fabric + sum(group.total for group in self.cpu)

    def instance_health_checks(self, nodes: NodesSpec) -> dict[str, dict[str, Any]]:
        """Return PCS's `instanceHealthChecks` of each node group with checks, by group name."""
        if self.health_checks is None:
            return {}
        fabrics = {ENVIRONMENTS_NODES: nodes, **{group.name: group for group in self.accelerated}}
        gpus = {name for name, each in fabrics.items() if each.instance.accelerator.is_nvidia}
        names = [ENVIRONMENTS_NODES, *(group.name for group in self.node_groups)]
        asked = {name: self.health_checks.request(gpus=name in gpus) for name in names}
        return {name: request for name, request in asked.items() if request}

    def always_running(self, nodes: NodesSpec) -> int:
        """Return how many nodes always run, also without jobs."""
        if self.least_nodes is None:
            return nodes.total if nodes.pays_for_all else 0
        return self.least_nodes

    def instances(self, nodes: int) -> int:
        """Return how many instances PCS manages at full size."""
        return nodes + sum(group.total for group in self.node_groups) + self.login_instances

    def cluster_size(self, nodes: int) -> str:
        """Return the size of the PCS cluster: SMALL, MEDIUM or LARGE.

        Raises:
            UndeterminedError: where no size is large enough.
        """
        size = self.size or size_for(self.instances(nodes))
        if size is None:
            raise UndeterminedError("size")
        return size

    @rule
    def _names_are_written_once(self) -> Iterator[Problem]:
        fix = "another one has that name, and names are unique in a cluster; write another"
        for field, parts in (("queues", self.queues), ("node_groups", self.node_groups)):
            names = enumerate(vars(part).get("name") for part in parts)
            yield from repeated(((f"{field}[{index}].name", name) for index, name in names), fix)

    def _sound_names(self) -> list[str]:
        """Return the names of the node groups, if all of them are valid and unique."""
        names = [group.name for group in self.node_groups]
        faulty = [p for group in self.node_groups for p in group.problems() if p.field == "name"]
        if faulty or len(set(names)) < len(names):
            raise UndeterminedError("node_groups")
        return names

    @rule
    def _queues_have_groups_that_are_there(self) -> Iterator[Problem]:
        known = [ENVIRONMENTS_NODES, *self._sound_names()]
        for index, queue in enumerate(self.queues):
            named = enumerate(queue.node_groups)
            places = [(f"queues[{index}].node_groups[{place}]", name) for place, name in named]
            for field, name in places:
                if name not in known:
                    fix = f"there is no such node group; write {choices(known)}"
                    yield Problem(field, name, fix)
            yield from repeated((field, name) for field, name in places if name in known)

    @rule
    def _groups_have_a_queue(self) -> Iterator[Problem]:
        used = {name for queue in self.queues for name in queue.node_groups}
        names = enumerate(self._sound_names())
        places = {ENVIRONMENTS_NODES: "queues"} | {
            name: f"node_groups[{index}].name" for index, name in names
        }
        for name in places.keys() - used:
            fix = f"no queue uses that group, so that no job runs on it; add {name!r} to a queue's "
            yield Problem(places[name], name, f"{fix}node_groups")

    @rule
    def _not_more_groups_than_pcs_takes(self) -> Iterator[Problem]:
        own = 1 + (self.login_instance_type is not None)
        if len(self.node_groups) > MOST_PARTS - own:
            fix = f"a PCS cluster takes {MOST_PARTS} node groups, and {own} of them are nodes and "
            fix += f"login nodes; write at most {MOST_PARTS - own}"
            yield Problem("node_groups", f"{len(self.node_groups)} groups", fix)

    @rule
    def _accounts_are_known(self) -> Iterator[Problem]:
        for index, queue in enumerate(self.queues):
            if queue.allow_accounts and self.accounting_days is None:
                fix = "accounts need Slurm's accounting; write accounting_days=-1 or a "
                what = f"accounts of queue {queue.name}"
                yield Problem(f"queues[{index}]", what, f"{fix}number of days")

    @rule
    def _accounts_of_queues_are_there(self) -> Iterator[Problem]:
        known = [account.name for account in (self.users.accounts if self.users else ())]
        for index, queue in enumerate(self.queues if self.users else ()):
            for place, name in enumerate(queue.allow_accounts):
                if name not in known:
                    fix = f"write {choices(known)}" if known else "add it to users.accounts"
                    where = f"queues[{index}].allow_accounts[{place}]"
                    yield Problem(where, name, f"users.accounts has no such account; {fix}")

    @rule
    def _homes_are_in_one_place(self) -> Iterator[Problem]:
        users = self.users
        if self.home_storage is not None and users is not None and users.homes != HOME:
            fix = 'home_storage is mounted at /home; write homes="/home", or '
            yield self.problem_of("users.homes", f"{fix}home_storage=None")

    @rule
    def _accounts_can_be_made(self) -> Iterator[Problem]:
        if self.users is None or not self.users.accounts:
            return
        if self.accounting_days is None:
            fix = "accounts need Slurm's accounting; write accounting_days=-1 or a number of days"
            yield self.problem_of("accounting_days", fix)
        if self.login_instance_type is None:
            fix = "login nodes create the accounts; write m6i.xlarge"
            yield self.problem_of("login_instance_type", fix)

    @rule
    def _accounting_is_kept_for_days(self) -> Iterator[Problem]:
        if self.accounting_days == 0:
            fix = "PCS takes -1 (for ever) or 1 to 10,000 days; write None for no accounting"
            yield self.problem_of("accounting_days", fix)

    @rule
    def _slurm_has_health_checks(self) -> Iterator[Problem]:
        if self.health_checks is not None and self.version < HEALTH_CHECKS_SINCE:
            fix = f'PCS checks need at least version "{HEALTH_CHECKS_SINCE}"; write it, or '
            yield self.problem_of("version", f"{fix}health_checks=None")

    @rule
    def _one_of_two_repairs(self) -> Iterator[Problem]:
        if self.health_checks is not None and self.health_checks.act and self.repairs:
            fix = "PCS's health checks replace instances or run diagnostics on GPUs, and must not "
            fix += "meet a node that repairs itself at the same time; write repairs=False"
            yield self.problem_of("repairs", fix)

    @rule
    def _login_type_is_valid(self) -> Iterator[Problem]:
        given = self.login_instance_type
        if given is None:
            return
        if not INSTANCE_TYPE.fullmatch(given):
            fix = 'write an EC2 instance type such as "m6i.xlarge", or None for no login nodes'
            yield Problem("login_instance_type", given, fix)
        elif len(given) > LONGEST_NAME:
            fix = "its node group has the same name, of at most 25 characters; write m6i.xlarge"
            yield Problem("login_instance_type", given, fix)

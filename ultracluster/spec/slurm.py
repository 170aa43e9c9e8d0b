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
    """A PCS cluster that starts the environment's nodes for jobs, and stops idle ones.

    With it, PCS launches the nodes on the environment's launch template, placement group and
    capacity; there is no Auto Scaling group beside it.
    """

    version: Literal["24.11", "25.05", "25.11", "26.05"] = "25.11"
    """Version of Slurm; it must be on the image as well."""

    size: Literal["SMALL", "MEDIUM", "LARGE"] | None = None
    """What the controller is sized for: 32, 512 or 2,048 instances. None takes the smallest that
    holds nodes and login nodes; a larger one leaves room, as a change replaces the cluster."""

    queues: Annotated[tuple[QueueSpec, ...], Field(min_length=1, max_length=MOST_PARTS)] = (
        QueueSpec(),
    )
    """Queues. The first one takes jobs that name none."""

    node_groups: tuple[AcceleratedGroupSpec | CpuGroupSpec, ...] = ()
    """Node groups beside the environment's own nodes: of other types, other capacity or none."""

    least_nodes: Annotated[int, Field(ge=0)] | None = None
    """Nodes that are kept running without a job; each of them is billed. None keeps all of them
    where they are paid for anyway, in a reservation or a block, and otherwise none."""

    idle_seconds: Annotated[int, Field(ge=60, le=86400)] = 600
    """Time without a job after which a node is stopped."""

    accounting_days: Annotated[int, Field(ge=-1, le=10000)] | None = None
    """Days for which job records are kept, -1 for ever. None keeps none: accounting is billed."""

    repairs: bool = True
    """Whether an unfit node resets its GPUs, or has Slurm reboot it, and comes back by itself.
    False only takes it out of service, as where PCS's own health checks repair instances."""

    health_checks: HealthChecksSpec | None = None
    """PCS's own health checks, on every group that runs jobs; None leaves checks and repairs to the
    nodes (decision 0022)."""

    users: UsersSpec | None = None
    """Who works on it; without it there are the users that the image has."""

    home_storage: HomeStorageSpec | None = None
    """A file system for `/home`, which all nodes share; without it each node has a `/home` of its
    own."""

    login_instance_type: str | None = "m6i.xlarge"
    """Instance type of the login nodes; None has none."""

    login_nodes: Annotated[int, Field(ge=1, le=8)] = 1
    """Login nodes, reached by Systems Manager sessions; they always run."""

    login_image: str | None = None
    """AMI id or SSM parameter of the login nodes; None takes the nodes' own image. With one of
    their own they stay as they are when the nodes' changes: PCS replaces login nodes at every
    update of their group, with all sessions on them."""

    @property
    def login_architecture(self) -> str:
        """Architecture of the login nodes' instance type."""
        return architecture(self.login_instance_type or "")

    @property
    def login_instances(self) -> int:
        return 0 if self.login_instance_type is None else self.login_nodes

    @property
    def sound_login_type(self) -> str | None:
        """Instance type of the login nodes, where it can be one."""
        given = self.login_instance_type
        if given is not None and not INSTANCE_TYPE.fullmatch(given):
            raise UndeterminedError(given)
        return given

    @property
    def queue(self) -> str:
        """Name of the queue that takes jobs which name none."""
        return self.queues[0].name

    @property
    def accelerated(self) -> tuple[AcceleratedGroupSpec, ...]:
        return tuple(g for g in self.node_groups if isinstance(g, AcceleratedGroupSpec))

    @property
    def cpu(self) -> tuple[CpuGroupSpec, ...]:
        return tuple(g for g in self.node_groups if isinstance(g, CpuGroupSpec))

    @property
    def addresses(self) -> int:
        """Private IPv4 addresses of controller, login nodes and the mount target of homes."""
        return CONTROLLER_ADDRESSES + self.login_instances + (self.home_storage is not None)

    @property
    def addresses_of_groups(self) -> int:
        """Private IPv4 addresses of the further node groups, at full size."""
        fabric = sum(group.total * group.addresses_per_node for group in self.accelerated)
        return fabric + sum(group.total for group in self.cpu)

    def instance_health_checks(self, nodes: NodesSpec) -> dict[str, dict[str, Any]]:
        """Return what PCS is asked to check in each group that it checks, by the groups' names."""
        if self.health_checks is None:
            return {}
        fabrics = {ENVIRONMENTS_NODES: nodes, **{group.name: group for group in self.accelerated}}
        gpus = {name for name, each in fabrics.items() if each.instance.accelerator.is_nvidia}
        names = [ENVIRONMENTS_NODES, *(group.name for group in self.node_groups)]
        asked = {name: self.health_checks.request(gpus=name in gpus) for name in names}
        return {name: request for name, request in asked.items() if request}

    def always_running(self, nodes: NodesSpec) -> int:
        """Return how many nodes run without a job."""
        if self.least_nodes is None:
            return nodes.total if nodes.pays_for_all else 0
        return self.least_nodes

    def instances(self, nodes: int) -> int:
        """Return how many instances PCS manages at full size, with so many nodes."""
        return nodes + sum(group.total for group in self.node_groups) + self.login_instances

    def cluster_size(self, nodes: int) -> str:
        """Return the Size of the cluster with so many nodes.

        Raises:
            UndeterminedError: where no size manages them.
        """
        size = self.size or size_for(self.instances(nodes))
        if size is None:
            raise UndeterminedError("size")
        return size

    @rule
    def _names_are_written_once(self) -> Iterator[Problem]:
        fix = "it is there already, and names are unique in a cluster; write another"
        for field, parts in (("queues", self.queues), ("node_groups", self.node_groups)):
            names = enumerate(vars(part).get("name") for part in parts)
            yield from repeated(((f"{field}[{index}].name", name) for index, name in names), fix)

    def _sound_names(self) -> list[str]:
        """Return the names of the groups, where each is one that a queue can name."""
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
            fix = f"no queue has that group, so that no job runs on it; add {name!r} to a queue's "
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
                fix = "Slurm knows them by its accounting alone; write accounting_days=-1 or a "
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
            fix = 'home_storage is a file system for them at /home; write homes="/home", or '
            yield self.problem_of("users.homes", f"{fix}home_storage=None")

    @rule
    def _accounts_can_be_made(self) -> Iterator[Problem]:
        if self.users is None or not self.users.accounts:
            return
        if self.accounting_days is None:
            fix = "accounts are in Slurm's accounting; write accounting_days=-1 or a number of days"
            yield self.problem_of("accounting_days", fix)
        if self.login_instance_type is None:
            fix = "login nodes make the accounts; write m6i.xlarge"
            yield self.problem_of("login_instance_type", fix)

    @rule
    def _accounting_is_kept_for_days(self) -> Iterator[Problem]:
        if self.accounting_days == 0:
            fix = "PCS takes -1 (for ever) or 1 to 10,000 days; write None for no accounting"
            yield self.problem_of("accounting_days", fix)

    @rule
    def _slurm_has_health_checks(self) -> Iterator[Problem]:
        if self.health_checks is not None and self.version < HEALTH_CHECKS_SINCE:
            fix = f'PCS checks instances from that Slurm on: "{HEALTH_CHECKS_SINCE}"; write it, or '
            yield self.problem_of("version", f"{fix}health_checks=None")

    @rule
    def _one_of_two_repairs(self) -> Iterator[Problem]:
        if self.health_checks is not None and self.health_checks.act and self.repairs:
            fix = "PCS's health checks replace instances or compute on their GPUs, which a node "
            fix += "that repairs itself would work against; write repairs=False"
            yield self.problem_of("repairs", fix)

    @rule
    def _login_type_is_one(self) -> Iterator[Problem]:
        given = self.login_instance_type
        if given is None:
            return
        if not INSTANCE_TYPE.fullmatch(given):
            fix = 'write an EC2 instance type such as "m6i.xlarge", or None for no login nodes'
            yield Problem("login_instance_type", given, fix)
        elif len(given) > LONGEST_NAME:
            fix = "its node group is named after it, and names have 25 characters; write m6i.xlarge"
            yield Problem("login_instance_type", given, fix)

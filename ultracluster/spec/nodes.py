"""The nodes of a cluster: number, type and capacity."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import Field

from ultracluster.catalogue.images import DEEP_LEARNING_AMI as DEEP_LEARNING_AMI  # noqa: PLC0414 - a field's default
from ultracluster.catalogue.instances import InstanceType, UnknownInstanceTypeError, find
from ultracluster.catalogue.interfaces import InterfaceLayout, addresses
from ultracluster.catalogue.offerings import SIZES
from ultracluster.problem import Problem, choices
from ultracluster.spec.base import Spec, TextFormat, UndeterminedError, rule

MOST_INSTANCES_PER_RESERVATION: Final = 1000
"""EC2 API, CreateCapacityReservation `InstanceCount` (botocore 1.44.5)."""

RESERVATION_ID: Final = TextFormat(
    r"cr-[0-9a-f]{8,17}", 'write the id as AWS shows it, for example "cr-0123456789abcdef0"'
)
IMAGE: Final = TextFormat(
    r"ami-([0-9a-f]{8}|[0-9a-f]{17})|/[A-Za-z0-9_.\-/]{1,1010}(:[A-Za-z0-9_.\-]+)?",
    'write an AMI id ("ami-0123456789abcdef0") or an SSM parameter name that begins with a slash',
)


class CapacityReservationSpec(Spec):
    """The on-demand capacity reservation that nodes are launched into.

    Without an id, a reservation for all nodes is created in the cluster placement group: instances
    launched into a group cannot use capacity reserved outside of it (eksctl#7949).
    """

    capacity_reservation_id: Annotated[str | None, RESERVATION_ID] = None
    """An existing reservation, `cr-...`."""

    least_used_percent: Annotated[int, Field(ge=1, le=100)] = 90
    """Percentage of the reserved instances that should run: below it for ten minutes an alarm
    fires, since all of them are paid for."""


class CapacityBlockSpec(Spec):
    """A Capacity Block for ML, bought beforehand."""

    capacity_reservation_id: Annotated[str, RESERVATION_ID]
    """The id of the block's reservation, `cr-...`."""


class NodesSpec(Spec):
    """Accelerated EC2 instances in one zone, connected by EFA."""

    instance_type: str
    """EC2 instance type, for example `p4d.24xlarge`."""

    count: Annotated[int, Field(ge=1)]
    """Number of nodes that one job can use. They are launched when needed, from zero."""

    spare_nodes: Annotated[int, Field(ge=0)] = 0
    """Additional nodes that replace drained ones: without any, one drained node stops a job of all
    nodes. Reservations include them."""

    interface_layout: InterfaceLayout = "one-address"
    """`one-address` uses one private IP address per node, `address-per-card` one per network
    card."""

    image: Annotated[str, IMAGE] = DEEP_LEARNING_AMI
    """AMI id, or the name of an SSM parameter that holds one. An environment that keeps data or
    reserves capacity needs an id: a parameter is read at each deployment, and may replace every
    node."""

    root_volume_gib: Annotated[int, Field(ge=50, le=16384)] = 200
    """Size of the encrypted gp3 root volume, in GiB."""

    root_device_name: Literal["/dev/xvda", "/dev/sda1"] = "/dev/xvda"
    """Root device name of the image: `/dev/xvda` on Amazon Linux, `/dev/sda1` on Ubuntu. With a
    wrong name the root volume keeps the image's size, and a second volume is added."""

    threads_per_core: Literal[1, 2] | None = None
    """CPU threads per core; 1 disables hyper-threading. None is the default of the type."""

    container_metadata: bool = True
    """Whether containers on a bridge network reach the instance metadata, and so the credentials of
    the node's role. With False the AWS CLI in such a container has none. Containers on the host's
    network, as under Slurm, reach them either way."""

    placement_group: bool = True
    """Whether the nodes are launched into their own cluster placement group."""

    capacity_reservation: CapacityReservationSpec | None = None
    """On-demand capacity reservation; without it and without a block, nodes are launched on
    demand."""

    capacity_block: CapacityBlockSpec | None = None
    """Capacity Block for ML; excludes `capacity_reservation` and `placement_group`."""

    @property
    def instance(self) -> InstanceType:
        try:
            return find(self.instance_type)
        except UnknownInstanceTypeError as error:
            raise UndeterminedError(self.instance_type) from error

    @property
    def accelerators(self) -> int:
        return self.count * self.instance.accelerator.count

    @property
    def total(self) -> int:
        """Maximum number of nodes, including spare ones."""
        return self.count + self.spare_nodes

    @property
    def addresses_per_node(self) -> int:
        """Private IPv4 addresses that each node uses."""
        return addresses(self.instance, self.interface_layout)

    @property
    def pays_for_all(self) -> bool:
        """Whether all nodes are paid for even while they do not run."""
        return self.capacity_reservation is not None or self.capacity_block is not None

    @property
    def makes_reservation(self) -> bool:
        """Whether the cluster's stack creates a capacity reservation."""
        reservation = self.capacity_reservation
        return reservation is not None and reservation.capacity_reservation_id is None

    @rule
    def _type_is_in_the_catalogue(self) -> Iterator[Problem]:
        try:
            find(self.instance_type)
        except UnknownInstanceTypeError as error:
            yield self.problem_of("instance_type", str(error))

    @rule
    def _type_is_sold_that_way(self) -> Iterator[Problem]:
        if self.capacity_block is not None and not self.instance.capacity_blocks:
            fix = "that type is not sold by Capacity Block; remove it, or use capacity_reservation"
            yield Problem("capacity_block", self.instance_type, fix)
        if self.capacity_block is None and not self.instance.on_demand:
            fix = "this type is not sold on demand; write capacity_block=CapacityBlockSpec(...)"
            yield self.problem_of("instance_type", fix)

    @rule
    def _one_kind_of_capacity(self) -> Iterator[Problem]:
        if self.capacity_block is not None and self.capacity_reservation is not None:
            got = "a Capacity Block together with a capacity reservation"
            fix = "nodes can use only one of them; remove capacity_block or capacity_reservation"
            yield Problem("capacity_block", got, fix)

    @rule
    def _capacity_is_small_enough(self) -> Iterator[Problem]:
        block, reservation = SIZES[-1], MOST_INSTANCES_PER_RESERVATION
        if self.capacity_block is not None and self.total > block:
            fix = f"a Capacity Block holds at most {block} instances; write "
            fix += f"{max(block - self.spare_nodes, 1)}, or use capacity_reservation"
            yield self.problem_of("count", fix)
        if self.makes_reservation and self.total > reservation:
            fix = f"one reservation holds at most {reservation} instances; write "
            fix += f"{max(reservation - self.spare_nodes, 1)} and a second environment"
            yield self.problem_of("count", fix)

    @rule
    def _placement_group_can_hold_it(self) -> Iterator[Problem]:
        reservation, fix = self.capacity_reservation, ""
        if self.capacity_block is not None:
            fix = "AWS places the instances of a Capacity Block close together without one"
        elif reservation is not None and reservation.capacity_reservation_id is not None:
            fix = "an existing reservation cannot be moved into a new placement group, and nodes "
            fix += "in the group would not find it"
        if fix and self.placement_group:
            yield self.problem_of("placement_group", f"{fix}; write placement_group=False")

    @rule
    def _threads_are_offered(self) -> Iterator[Problem]:
        offered = self.instance.threads_per_core
        if self.threads_per_core is not None and self.threads_per_core not in offered:
            words = choices(offered) if offered else "no such option"
            fix = f"{self.instance_type} offers {words}; write None for its default"
            yield self.problem_of("threads_per_core", fix)

    @rule
    def _image_is_of_the_architecture(self) -> Iterator[Problem]:
        other = {"x86_64": "arm64", "arm64": "x86_64"}[self.instance.architecture]
        if f"/{other}/" in self.image:
            own = self.instance.architecture
            fix = f"{self.instance_type} is {own}; write {self.image.replace(other, own)}"
            yield self.problem_of("image", fix)

    @rule
    def _image_has_the_driver(self) -> Iterator[Problem]:
        maker = self.instance.accelerator.manufacturer
        if "nvidia" in self.image and maker != "NVIDIA":
            fix = f"that image drives NVIDIA GPUs and {self.instance_type} has accelerators of "
            fix += f"{maker or 'another maker'}; write the id or parameter of an image with theirs"
            yield self.problem_of("image", fix)

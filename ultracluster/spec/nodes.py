"""The nodes of a cluster: how many, of which type, on which capacity."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import Field

from ultracluster.catalogue.images import DEEP_LEARNING_AMI as DEEP_LEARNING_AMI  # noqa: PLC0414 - a field's default
from ultracluster.catalogue.instances import InstanceType, UnknownInstanceTypeError, find
from ultracluster.catalogue.interfaces import InterfaceLayout, addresses
from ultracluster.catalogue.offerings import SIZES
from ultracluster.problem import Problem, choices
from ultracluster.spec.base import Spec, UndeterminedError, Written, rule

MOST_INSTANCES_PER_RESERVATION: Final = 1000
"""EC2 API, CreateCapacityReservation `InstanceCount` (botocore 1.44.5)."""

RESERVATION_ID: Final = Written(
    r"cr-[0-9a-f]{8,17}", 'write the id as AWS shows it, for example "cr-0123456789abcdef0"'
)
IMAGE: Final = Written(
    r"ami-([0-9a-f]{8}|[0-9a-f]{17})|/[A-Za-z0-9_.\-/]{1,1010}(:[A-Za-z0-9_.\-]+)?",
    'write an AMI id ("ami-0123456789abcdef0") or an SSM parameter name that begins with a slash',
)


class CapacityReservationSpec(Spec):
    """An on-demand capacity reservation that the nodes are targeted at.

    Without an id, one of the nodes' number is made inside the cluster placement group: capacity
    reserved outside the group is not found by instances launched into it (eksctl#7949).
    """

    capacity_reservation_id: Annotated[str | None, RESERVATION_ID] = None
    """An existing reservation, `cr-...`."""

    least_used_percent: Annotated[int, Field(ge=1, le=100)] = 90
    """Share of the reserved instances that must run: with fewer for ten minutes an alarm goes off,
    since all are paid for."""


class CapacityBlockSpec(Spec):
    """A Capacity Block for ML that was bought beforehand."""

    capacity_reservation_id: Annotated[str, RESERVATION_ID]
    """The id of the block's reservation, `cr-...`."""


class NodesSpec(Spec):
    """Accelerated EC2 instances that form one EFA fabric in one zone."""

    instance_type: str
    """EC2 instance type, for example `p4d.24xlarge`."""

    count: Annotated[int, Field(ge=1)]
    """Nodes that one job may use. They are launched on demand and scale to zero."""

    spare_nodes: Annotated[int, Field(ge=0)] = 0
    """Nodes beyond them, which take the place of drained ones: with none, one drained node stops a
    job of all nodes. Capacity is reserved for them as well."""

    interface_layout: InterfaceLayout = "one-address"
    """`one-address` takes one private address a node, `address-per-card` one for each card."""

    image: Annotated[str, IMAGE] = DEEP_LEARNING_AMI
    """AMI id, or the name of an SSM parameter that holds one. An environment that keeps data or
    reserves capacity names an id: a parameter is resolved at each deployment, and may then replace
    every node."""

    root_volume_gib: Annotated[int, Field(ge=50, le=16384)] = 200
    """Size of the encrypted gp3 root volume, in GiB."""

    root_device_name: Literal["/dev/xvda", "/dev/sda1"] = "/dev/xvda"
    """Device the image boots from: `/dev/xvda` on Amazon Linux, `/dev/sda1` on Ubuntu. Another
    than the image's would leave the root volume as the image has it and add a second one."""

    threads_per_core: Literal[1, 2] | None = None
    """CPU threads per core; 1 switches hyper-threading off. None leaves the type's default."""

    container_metadata: bool = True
    """Whether a container on a bridge network reaches the node's metadata, and with it the
    credentials of the node's role. False keeps what asks for them there, the AWS CLI for example,
    out as well; a container on the host's network, as Slurm's are, reaches them either way."""

    placement_group: bool = True
    """Whether the nodes are launched into a cluster placement group of their own."""

    capacity_reservation: CapacityReservationSpec | None = None
    """On-demand capacity reservation; without it and without a block the nodes are on demand."""

    capacity_block: CapacityBlockSpec | None = None
    """Capacity Block for ML, which excludes a reservation and a placement group."""

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
        """All nodes that can run at a time, spare ones included."""
        return self.count + self.spare_nodes

    @property
    def addresses_per_node(self) -> int:
        """Private IPv4 addresses that a node takes from its subnet."""
        return addresses(self.instance, self.interface_layout)

    @property
    def pays_for_all(self) -> bool:
        """Whether all nodes are paid for, running or not."""
        return self.capacity_reservation is not None or self.capacity_block is not None

    @property
    def makes_reservation(self) -> bool:
        """Whether a capacity reservation is defined with the cluster."""
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
            fix = "nodes are launched on one of them; remove capacity_block or capacity_reservation"
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
            fix = "a Capacity Block is placed close together by itself"
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

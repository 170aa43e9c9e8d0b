"""Cluster placement group and capacity reservation of nodes."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from constructs_lib.permissions import arn
from constructs_lib.retention import removal_policy
from ultracluster.catalogue.instances import InstanceType, zone_problems
from ultracluster.problem import SpecError
from ultracluster.spec.nodes import NodesSpec


class ClusterPlacement(Construct):
    """Define a cluster placement group and a capacity reservation in it, as the spec says.

    The reservation is created in the group, because instances launched into a group cannot use
    capacity reserved outside of it (eksctl#7949). It refers to the group, so that it is cancelled
    before the group is deleted, which EC2 refuses while a reservation is in it.

    Both are kept when the stack is deleted or an update replaces them: only a person gives capacity
    up, with `aws ec2 cancel-capacity-reservation` (docs/retention.md).

    Args:
        spec: the nodes.
        availability_zone_id: the zone of a reservation.
        reservation_tags: tags of the new reservation, under which unused hours are charged;
            `cdk.Tags` does not reach it.

    Raises:
        SpecError: if the stack's Region has no such zone, or the zone does not offer the type.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: NodesSpec,
        availability_zone_id: str,
        reservation_tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)

        self.placement_group: ec2.CfnPlacementGroup | None = None
        """The L1 of the new group; None if the spec wants none."""
        self.placement_group_name: str | None = None
        """The name of the group; None if the spec wants none."""
        self.capacity_reservation_id: str | None = None
        """The id of the reservation or Capacity Block; None for on-demand nodes."""
        self.reservation: ec2.CfnCapacityReservation | None = None
        """The L1 of the new reservation; None if there is none."""

        if spec.placement_group:
            # No name is given: GroupName is read-only, and a name would be dropped in silence.
            self.placement_group = ec2.CfnPlacementGroup(self, "Group", strategy="cluster")
            self.placement_group_name = self.placement_group.ref
            # Tags of a group are create-only: one that is inherited from a stage or an app would
            # replace the group, and with it the reservation.
            self.placement_group.add_property_deletion_override("Tags")
        if spec.capacity_block is not None:
            self.capacity_reservation_id = spec.capacity_block.capacity_reservation_id
        elif spec.makes_reservation:
            self.reservation = self._reservation(spec, availability_zone_id, reservation_tags or {})
            self.capacity_reservation_id = self.reservation.ref
            # Capacity that was given up may not be available again. A creation that is rolled back
            # gives it up all the same (`KEEP`).
            for part in filter(None, (self.placement_group, self.reservation)):
                part.apply_removal_policy(removal_policy(keep=True))
        elif spec.capacity_reservation is not None:
            self.capacity_reservation_id = spec.capacity_reservation.capacity_reservation_id

    @staticmethod
    def from_cluster_placement_attributes(
        scope: Construct,
        construct_id: str,
        *,
        placement_group_name: str | None = None,
        capacity_reservation_id: str | None = None,
    ) -> "ClusterPlacement":
        """Return an existing placement, for launch templates of this app.

        Args:
            scope: the parent construct.
            construct_id: the id in that scope.
            placement_group_name: the group; a given reservation must be in it.
            capacity_reservation_id: the reservation or Capacity Block.
        """

        class Import(ClusterPlacement):
            def __init__(self) -> None:
                Construct.__init__(self, scope, construct_id)
                self.placement_group = self.reservation = None
                self.placement_group_name = placement_group_name
                self.capacity_reservation_id = capacity_reservation_id

        return Import()

    def _reservation(
        self, spec: NodesSpec, zone_id: str, tags: Mapping[str, str]
    ) -> ec2.CfnCapacityReservation:
        check_zone(self, zone_id, spec.instance)
        group = self.placement_group_name
        return ec2.CfnCapacityReservation(
            self,
            "Reservation",
            instance_type=spec.instance_type,
            instance_count=spec.total,
            instance_platform="Linux/UNIX",
            availability_zone_id=zone_id,
            placement_group_arn=group and arn(self, "ec2", f"placement-group/{group}"),
            # Only instances that name it may use it: an open reservation is eaten by whatever
            # else of the type is started in the zone.
            instance_match_criteria="targeted",
            end_date_type="unlimited",
            tenancy="default",
            tag_specifications=[
                ec2.CfnCapacityReservation.TagSpecificationProperty(
                    resource_type="capacity-reservation",
                    tags=[cdk.CfnTag(key=key, value=value) for key, value in tags.items()],
                )
            ]
            if tags
            else None,
        )


def check_zone(construct: Construct, zone_id: str, instance: InstanceType | None = None) -> None:
    """Refuse a zone that the construct's Region does not have, or that does not sell a type."""
    region = cdk.Stack.of(construct).region
    known = not cdk.Token.is_unresolved(region) and not cdk.Token.is_unresolved(zone_id)
    if known and (problems := list(zone_problems(region, zone_id, instance))):
        raise SpecError(problems)

"""Puts this project's services, types and checks into MiniStack."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from ultracluster.emulator import fsx, offerings, pcs, pcs_health, wire, zones
from ultracluster.emulator.faults import Faults
from ultracluster.emulator.ministack import (
    buckets,
    describes,
    images,
    internals,
    log_delivery,
    nodes,
    refactoring,
    security_groups,
    stacks,
    state_machines,
    vpc,
)
from ultracluster.emulator.ministack.added_types import (
    Alarm,
    Budget,
    ElasticIp,
    FlowLog,
    NatGateway,
    PlacementGroup,
)
from ultracluster.emulator.ministack.calls import NamedByAttribute, Wrapped, offer
from ultracluster.emulator.ministack.handlers import Journal, Table
from ultracluster.emulator.ministack.security_groups import (
    SecurityGroupRule,
    open_default_group,
    require_new_group,
)
from ultracluster.emulator.provisioning import Ledger, Order, Provisioner, ec2_refusal
from ultracluster.emulator.quotas import ServiceQuotas
from ultracluster.emulator.reservations import RESERVATION, Reservations
from ultracluster.emulator.schema_only import SchemaOnly
from ultracluster.emulator.training_jobs import TrainingJobs
from ultracluster.partitions import partition

AMZ_JSON: Final = {"Content-Type": "application/x-amz-json-1.1"}


class Adapter:
    """Everything that is put into one MiniStack."""

    def __init__(self, faults: Faults, journal: Journal) -> None:
        self._faults = faults
        self._journal = journal
        self._ledger = Ledger()
        self._reservations = Reservations(self._ledger, vpc.NETWORK)
        self._file_systems = fsx.FileSystems(self._ledger, vpc.NETWORK)

    def install(self) -> None:
        internals.ec2._zone_name_for_az_id = _zone_name
        images.install()
        describes.install()
        security_groups.install()
        buckets.install()
        for name, answer in {
            "DescribeCapacityReservations": self._reservations.describe,
            "CreateCapacityReservation": self._reservations.create_by_call,
            "CancelCapacityReservation": self._reservations.cancel,
            "DescribeCapacityBlockOfferings": offerings.blocks,
            "DescribeAvailabilityZones": lambda scope, given: zones.describe(scope.region, given),
        }.items():
            offer(name, _in_scope(answer))
        self._offer("fsx", fsx.Api(self._ledger, self._file_systems).operations)
        checks = pcs_health.Api(self._ledger, vpc.NETWORK, self._faults)
        set_checks = {"UpdateComputeNodeGroup": checks.update}
        self._offer("pcs", {**pcs.Api(self._ledger).operations, **set_checks})
        jobs = TrainingJobs(self._ledger, vpc.NETWORK, self._faults)
        state_machines.install(jobs)
        self._offer(
            "sagemaker", {**jobs.operations, "SearchTrainingPlanOfferings": offerings.plans}
        )
        self._offer("service-quotas", ServiceQuotas().operations)
        stacks.install(self._faults)
        refactoring.install()
        nodes.let_launches_fail(self._faults)
        Table(self._faults, self._journal).install(
            {**self._services(), **self._modelled()}, SchemaOnly(self._ledger)
        )

    def _services(self) -> Mapping[str, Provisioner]:
        wrapped = (
            Wrapped(
                "AWS::EC2::SecurityGroup", check=require_new_group, guard=vpc.require_group_free
            ),
            Wrapped(
                "AWS::EC2::Subnet",
                check=vpc.require_subnet,
                create_check=vpc.require_free_range,
                guard=vpc.require_subnet_free,
                addition=vpc.subnet_attributes,
            ),
            Wrapped(
                "AWS::EC2::VPC",
                created=open_default_group,
                guard=vpc.require_vpc_free,
            ),
            Wrapped(
                "AWS::EC2::VPCEndpoint",
                guard=vpc.remove_endpoint_interfaces,
                addition=vpc.put_endpoint_interfaces,
            ),
            Wrapped(
                "AWS::EFS::MountTarget",
                created=vpc.put_mount_target_interface,
                guard=vpc.remove_mount_target_interface,
            ),
            Wrapped("AWS::EC2::LaunchTemplate", check=describes.require_launch_template),
            Wrapped("AWS::AutoScaling::AutoScalingGroup", addition=vpc.group_zones),
            Wrapped(
                "AWS::S3::Bucket", guard=buckets.require_empty, addition=buckets.apply_settings
            ),
            Wrapped(
                "AWS::StepFunctions::StateMachine",
                check=state_machines.require_taken,
                addition=state_machines.complete,
            ),
            Wrapped("AWS::IAM::Role", addition=_role_arn),
        )
        return {
            **{each.type_name: each for each in wrapped},
            "AWS::EC2::EIP": ElasticIp(),
            "AWS::EC2::NatGateway": NatGateway(),
            "AWS::EC2::FlowLog": FlowLog(),
            "AWS::EC2::PlacementGroup": PlacementGroup(self._require_empty),
            "AWS::EC2::SecurityGroupIngress": SecurityGroupRule("Ingress"),
            "AWS::EC2::SecurityGroupEgress": SecurityGroupRule("Egress"),
            **log_delivery.types(),
            "AWS::Budgets::Budget": Budget(),
            "AWS::CloudWatch::Alarm": Alarm(),
            "AWS::IAM::InstanceProfile": NamedByAttribute(
                "AWS::IAM::InstanceProfile", _profile_arn
            ),
        }

    def _modelled(self) -> Mapping[str, Provisioner]:
        return {
            RESERVATION: self._reservations,
            fsx.FILE_SYSTEM: self._file_systems,
            fsx.ASSOCIATION: fsx.Associations(self._ledger, stacks.made_at_once),
            pcs.CLUSTER: pcs.Clusters(self._ledger, vpc.NETWORK, self._faults),
            pcs.NODE_GROUP: pcs.Children(self._ledger, vpc.NETWORK, self._faults, pcs.NODE_GROUP),
            pcs.QUEUE: pcs.Children(self._ledger, vpc.NETWORK, self._faults, pcs.QUEUE),
        }

    def _require_empty(self, name: str) -> None:
        group = vpc.NETWORK.placement_group(name)
        if group is None:
            return
        if self._reservations.active_in(internals.current_scope(), group):
            raise ec2_refusal(
                "InvalidPlacementGroup.InUse",
                f"The placement group '{group['GroupName']}' is in use and may not be deleted.",
            )

    def _offer(self, service: str, operations: Mapping[str, wire.Operation]) -> None:
        """Let a service's API be answered; MiniStack routes by the target's prefix."""

        async def answer(
            method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any
        ) -> tuple[int, dict[str, str], bytes]:
            del method, path, query
            target = headers.get("x-amz-target", "")
            status, text = wire.json_answer(
                service, operations, target, body, internals.current_scope()
            )
            return status, dict(AMZ_JSON), text

        prefix = wire.model(service).metadata["targetPrefix"]
        internals.route(service, prefix, answer)


def _in_scope(answer: wire.Operation) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    return lambda given: answer(internals.current_scope(), given)


def _zone_name(zone_id: str) -> str | None:
    return zones.zone_name(internals.current_scope().region, zone_id)


def _role_arn(name: str, order: Order) -> Mapping[str, Any]:
    """Give a role the ARN that it has in China or in GovCloud; MiniStack's are always in `aws`.

    Services refuse a role of another partition, so that one in `aws` could start nothing there.
    """
    role = internals.iam._roles[name]
    role["Arn"] = role["Arn"].replace("arn:aws:", f"arn:{partition(order.scope.region)}:", 1)
    return {"Arn": role["Arn"]}


def _profile_arn(name: str) -> str:
    profile = internals.iam._instance_profiles.get(name) or {}
    return str(profile.get("Arn", name))

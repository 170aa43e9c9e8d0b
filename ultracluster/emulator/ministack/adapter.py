"""Puts this project's services, types and checks into MiniStack."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ultracluster.emulator import (
    fsx,
    offerings,
    pcs,
    pcs_health,
    quotas,
    reservations,
    semantics,
    wire,
    zones,
)
from ultracluster.emulator.faults import Faults
from ultracluster.emulator.ministack import (
    added_types,
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
from ultracluster.emulator.ministack.calls import Wrapped, offer
from ultracluster.emulator.ministack.handlers import Journal, Table
from ultracluster.emulator.ministack.security_groups import (
    SecurityGroupRule,
    open_default_group,
    require_new_group,
)
from ultracluster.emulator.provisioning import Order, Provisioner
from ultracluster.emulator.schema_only import SchemaOnly
from ultracluster.emulator.training_jobs import TrainingJobs
from ultracluster.partitions import partition
from ultracluster.service_model import model as model_of


def install(faults: Faults, journal: Journal) -> None:
    """Put everything into this process's MiniStack."""
    internals.ec2._zone_name_for_az_id = lambda zone_id: zones.zone_name(
        internals.current_scope().region, zone_id
    )
    images.install()
    describes.install()
    security_groups.install()
    buckets.install()
    for name, answer in {
        "DescribeCapacityReservations": reservations.describe,
        "CreateCapacityReservation": reservations.create_by_call,
        "CancelCapacityReservation": reservations.cancel,
        "DescribeCapacityBlockOfferings": offerings.blocks,
        "DescribeAvailabilityZones": lambda scope, given: zones.describe(scope.region, given),
    }.items():
        offer(name, _in_scope(answer))
    _offer("fsx", fsx.OPERATIONS)
    set_checks = {"UpdateComputeNodeGroup": partial(pcs_health.update, faults)}
    _offer("pcs", {**pcs.operations(), **set_checks})
    jobs = TrainingJobs(faults)
    state_machines.install(jobs)
    _offer("sagemaker", {**jobs.operations, "SearchTrainingPlanOfferings": offerings.plans})
    _offer("service-quotas", quotas.operations())
    stacks.install(faults)
    refactoring.install()
    nodes.let_launches_fail(faults)
    modelled: Mapping[str, Provisioner] = {
        reservations.RESERVATION: reservations.Reservations(),
        fsx.FILE_SYSTEM: fsx.FileSystems(),
        fsx.ASSOCIATION: fsx.Associations(stacks.made_at_once),
        pcs.CLUSTER: pcs.Clusters(faults),
        pcs.NODE_GROUP: pcs.Children(faults, pcs.NODE_GROUP),
        pcs.QUEUE: pcs.Children(faults, pcs.QUEUE),
    }
    Table(faults, journal).install({**_services(), **modelled}, SchemaOnly())


def _services() -> Mapping[str, Provisioner]:
    wrapped = (
        Wrapped("AWS::EC2::SecurityGroup", check=require_new_group, guard=vpc.require_group_free),
        Wrapped(
            "AWS::EC2::Subnet",
            check=vpc.require_subnet,
            create_check=vpc.require_free_range,
            guard=vpc.require_subnet_free,
            addition=vpc.subnet_attributes,
        ),
        Wrapped("AWS::EC2::VPC", created=open_default_group, guard=vpc.require_vpc_free),
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
        Wrapped("AWS::EC2::LaunchTemplate", check=semantics.require_launch_template),
        Wrapped("AWS::AutoScaling::AutoScalingGroup", addition=vpc.group_zones),
        Wrapped("AWS::S3::Bucket", guard=buckets.require_empty, addition=buckets.apply_settings),
        Wrapped(
            "AWS::StepFunctions::StateMachine",
            check=state_machines.require_taken,
            addition=state_machines.complete,
        ),
        Wrapped("AWS::IAM::Role", addition=_role_arn),
        Wrapped("AWS::CloudWatch::Alarm", given=added_types.measuring, addition=added_types.ask),
    )
    return {
        **{each.type_name: each for each in wrapped},
        "AWS::EC2::EIP": added_types.ElasticIp(),
        "AWS::EC2::NatGateway": added_types.NatGateway(),
        "AWS::EC2::FlowLog": added_types.FlowLog(),
        "AWS::EC2::PlacementGroup": added_types.PlacementGroup(),
        "AWS::EC2::SecurityGroupIngress": SecurityGroupRule("Ingress"),
        "AWS::EC2::SecurityGroupEgress": SecurityGroupRule("Egress"),
        **log_delivery.types(),
        "AWS::Budgets::Budget": added_types.Budget(),
        "AWS::IAM::InstanceProfile": added_types.InstanceProfile(),
    }


def _offer(service: str, operations: Mapping[str, wire.Operation]) -> None:
    """Let a service's API be answered; MiniStack routes by the target's prefix."""

    async def answer(target: str, body: bytes) -> tuple[int, bytes]:
        return wire.json_answer(service, operations, target, body, internals.current_scope())

    internals.route(service, model_of(service).metadata["targetPrefix"], answer)


def _in_scope(answer: wire.Operation) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    return lambda given: answer(internals.current_scope(), given)


def _role_arn(name: str, order: Order) -> Mapping[str, Any]:
    """Give a role the ARN that it has in China or in GovCloud; MiniStack's are always in `aws`.

    Services refuse a role of another partition, so that one in `aws` could start nothing there.
    """
    role = internals.iam._roles[name]
    role["Arn"] = role["Arn"].replace("arn:aws:", f"arn:{partition(order.scope.region)}:", 1)
    return {"Arn": role["Arn"]}

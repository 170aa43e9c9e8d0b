"""What keeps money: how much can run, what is reserved, and who is told when it is spent."""

from collections.abc import Iterator
from typing import Any

from tests.stacks.synthesized import Synthesis
from ultracluster.catalogue.budgets import offered

TAG = "ultracluster:environment"
UNTAGGED = {
    "AWS::EC2::CapacityReservation",  # it has its own (`nothing_in_a_placement_group_is_tagged`)
    "AWS::EC2::LaunchTemplate",  # what is launched has (`what_is_launched_is_tagged`)
    "AWS::EC2::PlacementGroup",
    "AWS::EC2::Route",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::EFS::MountTarget",
    "AWS::IAM::InstanceProfile",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",  # those of CDK's own functions have none
    "AWS::Lambda::Function",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "Custom::InstanceHealthChecks",
    "Custom::S3AutoDeleteObjects",
    "Custom::VpcRestrictDefaultSG",
    "AWS::CDK::Metadata",
}
"""Types without tags, or whose tags the budget does not need."""


def everything_that_costs_is_tagged(made: Synthesis) -> None:
    """The budget counts what carries the environment's tag, and nothing else."""
    for template in made.templates.values():
        for resource in template["Resources"].values():
            if resource["Type"] not in UNTAGGED:
                given = resource["Properties"]
                names = ("ResourceTags", "FileSystemTags", "Tags")
                tags = next((given[name] for name in names if name in given), None)
                assert made.environment.name in _values(tags), resource["Type"]


def _values(tags: Any) -> list[str]:
    """Return the values of the environment's tag, in a list or in a mapping."""
    if isinstance(tags, dict):
        return [value for name, value in tags.items() if name == TAG]
    return [tag["Value"] for tag in tags or () if tag["Key"] == TAG]


def what_is_launched_is_tagged(made: Synthesis) -> None:
    """PCS hands on no tags: instances and volumes have those of the template alone."""
    for _, template in made.named("AWS::EC2::LaunchTemplate"):
        given = template["Properties"]["LaunchTemplateData"]["TagSpecifications"]
        assert {each["ResourceType"] for each in given} == {
            "instance",
            "volume",
            "network-interface",
        }
        for each in given:
            assert made.environment.name in _values(each["Tags"])
    for _, group in made.named("AWS::AutoScaling::AutoScalingGroup"):
        assert all(tag["PropagateAtLaunch"] is True for tag in group["Properties"]["Tags"])


def no_more_nodes_run_than_were_asked_for(made: Synthesis) -> None:
    """A node of eight GPUs is 20 USD an hour and more."""
    asked = made.environment
    types = {nodes.instance_type for nodes in asked.fabrics().values()}
    if asked.slurm is not None:
        types |= {kind for kind, _, _ in _slurm_groups(made)}
    for _, template in made.named("AWS::EC2::LaunchTemplate"):
        assert template["Properties"]["LaunchTemplateData"]["InstanceType"] in types
    templates = [{"Ref": name} for name, _ in made.named("AWS::EC2::LaunchTemplate")]
    if asked.slurm is None:
        (group,) = (
            each["Properties"] for _, each in made.named("AWS::AutoScaling::AutoScalingGroup")
        )
        assert (group["MinSize"], group["MaxSize"]) == ("0", str(asked.nodes.total))
        assert group["LaunchTemplate"]["LaunchTemplateId"] in templates
        assert "DesiredCapacity" not in group
        return
    blocks = {each.instance_type for each in asked.fabrics().values() if each.capacity_block}
    for _, each in made.named("AWS::PCS::ComputeNodeGroup"):
        (config,) = each["Properties"]["InstanceConfigs"]
        bought = "CAPACITY_BLOCK" if config["InstanceType"] in blocks else "ONDEMAND"
        assert each["Properties"]["PurchaseOption"] == bought
        assert each["Properties"]["CustomLaunchTemplate"]["TemplateId"] in templates
    found = sorted(
        (
            properties["InstanceConfigs"][0]["InstanceType"],
            properties["ScalingConfiguration"]["MinInstanceCount"],
            properties["ScalingConfiguration"]["MaxInstanceCount"],
        )
        for properties in (g["Properties"] for _, g in made.named("AWS::PCS::ComputeNodeGroup"))
    )
    assert found == sorted(_slurm_groups(made))


def _slurm_groups(made: Synthesis) -> Iterator[tuple[str, int, int]]:
    """Yield the type of each node group, and how many run at least and at most."""
    nodes, slurm = made.environment.nodes, made.environment.slurm
    assert slurm is not None
    yield nodes.instance_type, slurm.always_running(nodes), nodes.total
    for group in slurm.node_groups:
        yield group.instance_type, group.least_nodes, group.total
    if slurm.login_instance_type is not None:
        yield slurm.login_instance_type, slurm.login_nodes, slurm.login_nodes


def idle_nodes_are_stopped(made: Synthesis) -> None:
    """After as long as was asked for; the controller is paid by its size."""
    for _, cluster in made.named("AWS::PCS::Cluster"):
        assert made.environment.slurm is not None
        idle = cluster["Properties"]["SlurmConfiguration"]["ScaleDownIdleTimeInSeconds"]
        assert idle == made.environment.slurm.idle_seconds
        size = made.environment.slurm.cluster_size(made.environment.nodes.total)
        assert cluster["Properties"]["Size"] == size


def volumes_end_with_their_instance(made: Synthesis) -> None:
    """And are as large as was asked for; else every launch leaves one that is paid for."""
    asked = made.environment
    sizes = {asked.nodes.root_volume_gib}
    sizes |= {group.root_volume_gib for group in asked.slurm.node_groups} if asked.slurm else set()
    for _, template in made.named("AWS::EC2::LaunchTemplate"):
        data = template["Properties"]["LaunchTemplateData"]
        (volume,) = data["BlockDeviceMappings"]
        assert volume["Ebs"]["DeleteOnTermination"] is True
        assert volume["Ebs"]["VolumeType"] == "gp3"
        assert volume["Ebs"]["VolumeSize"] in sizes
        for interface in data.get("NetworkInterfaces", ()):
            assert interface["DeleteOnTermination"] is True


def reserved_is_what_was_asked_for(made: Synthesis) -> None:
    """As many as there are nodes, for those that name it, until somebody gives it up."""
    asked = sorted(
        (nodes.instance_type, nodes.total)
        for nodes in made.environment.fabrics().values()
        if nodes.makes_reservation
    )
    given = [each["Properties"] for _, each in made.named("AWS::EC2::CapacityReservation")]
    assert sorted((each["InstanceType"], each["InstanceCount"]) for each in given) == asked
    for each in given:
        assert each["EndDateType"] == "unlimited"
        assert "EndDate" not in each
        assert each["InstanceMatchCriteria"] == "targeted"
        assert each["Tenancy"] == "default"
        assert each["InstancePlatform"] == "Linux/UNIX"
        assert each["AvailabilityZoneId"] == made.environment.availability_zone_id
        (tags,) = each["TagSpecifications"]
        assert tags["ResourceType"] == "capacity-reservation"


def nodes_are_placed_where_capacity_is_reserved(made: Synthesis) -> None:
    """Outside the group a reservation is paid for and not used; a host of one's own costs more."""
    groups = {name for name, _ in made.named("AWS::EC2::PlacementGroup")}
    fabrics = made.environment.fabrics().values()
    placed = [
        template["Properties"]["LaunchTemplateData"].get("Placement", {})
        for _, template in made.named("AWS::EC2::LaunchTemplate")
    ]
    named = [each["GroupName"]["Ref"] for each in placed if "GroupName" in each]
    assert sorted(named) == sorted(groups)
    assert len(groups) == len([each for each in fabrics if each.placement_group])
    assert all(each.get("Tenancy", "default") == "default" for each in placed)
    for _, vpc in made.named("AWS::EC2::VPC"):
        assert vpc["Properties"]["InstanceTenancy"] == "default"
    reserved = [
        each["Properties"]["PlacementGroupArn"]["Fn::Join"][1][-1]["Ref"]
        for _, each in made.named("AWS::EC2::CapacityReservation")
        if "PlacementGroupArn" in each["Properties"]
    ]
    wanted = [each for each in fabrics if each.makes_reservation and each.placement_group]
    assert len(reserved) == len(wanted)
    assert set(reserved) <= groups


def nodes_run_on_what_is_reserved(made: Synthesis) -> None:
    """Capacity that nobody names is paid for beside the nodes."""
    asked = [
        nodes.capacity_reservation or nodes.capacity_block
        for nodes in made.environment.fabrics().values()
    ]
    named = [
        template["Properties"]["LaunchTemplateData"]["CapacityReservationSpecification"]
        for _, template in made.named("AWS::EC2::LaunchTemplate")
        if "CapacityReservationSpecification" in template["Properties"]["LaunchTemplateData"]
    ]
    assert len(named) == len([each for each in asked if each is not None])
    own = {name for name, _ in made.named("AWS::EC2::CapacityReservation")}
    bought = {each.capacity_reservation_id for each in asked if each is not None}
    for each in named:
        target = each["CapacityReservationTarget"]["CapacityReservationId"]
        assert (target["Ref"] in own) if isinstance(target, dict) else (target in bought)


def somebody_is_told_of_the_money(made: Synthesis) -> None:
    """At each share of the ceiling, and where it is going to be passed; credits hide nothing."""
    asked = made.environment.budget
    budgets = list(made.named("AWS::Budgets::Budget"))
    assert len(budgets) == offered(made.environment.region)
    for _, each in budgets:
        budget = each["Properties"]["Budget"]
        limit = {"Amount": asked.ceiling_usd_per_month, "Unit": "USD"}
        assert budget["BudgetLimit"] == limit
        assert (budget["BudgetType"], budget["TimeUnit"]) == ("COST", "MONTHLY")
        assert budget["CostFilters"] == {"TagKeyValue": [f"user:{TAG}${made.environment.name}"]}
        assert budget["CostTypes"] == {"IncludeCredit": False, "IncludeRefund": False}
        told = each["Properties"]["NotificationsWithSubscribers"]
        assert [_alert(one["Notification"]) for one in told] == [
            *(("ACTUAL", percent) for percent in sorted(asked.alerts_percent)),
            ("FORECASTED", asked.forecast_percent),
        ]
        own = {name for name, _ in made.named("AWS::SNS::Topic")}
        for one in told:
            for subscriber in one["Subscribers"]:
                mail = "@" in str(subscriber["Address"])
                assert subscriber["SubscriptionType"] == ("EMAIL" if mail else "SNS")
            addresses = [subscriber["Address"] for subscriber in one["Subscribers"]]
            if asked.notify:
                assert addresses == list(asked.notify)
            else:
                assert [address["Ref"] in own for address in addresses] == [True]


def _alert(notification: dict[str, Any]) -> tuple[str, int]:
    assert notification["ComparisonOperator"] == "GREATER_THAN"
    assert notification["ThresholdType"] == "PERCENTAGE"
    return notification["NotificationType"], notification["Threshold"]


def alarms_tell_somebody(made: Synthesis) -> None:
    """An alarm without an action is a colour on a page; capacity that is idle is money."""
    for _, alarm in made.named("AWS::CloudWatch::Alarm"):
        assert alarm["Properties"]["AlarmActions"]
        assert alarm["Properties"].get("ActionsEnabled", True) is True
    watched = [
        alarm["Properties"]["Threshold"]
        for _, alarm in made.named("AWS::CloudWatch::Alarm")
        if alarm["Properties"].get("MetricName") == "InstanceUtilization"
    ]
    asked = [
        nodes.capacity_reservation.least_used_percent
        for nodes in made.environment.fabrics().values()
        if nodes.capacity_reservation is not None
    ]
    assert sorted(watched) == sorted(asked)


MONEY = (
    everything_that_costs_is_tagged,
    what_is_launched_is_tagged,
    no_more_nodes_run_than_were_asked_for,
    idle_nodes_are_stopped,
    volumes_end_with_their_instance,
    reserved_is_what_was_asked_for,
    nodes_are_placed_where_capacity_is_reserved,
    nodes_run_on_what_is_reserved,
    somebody_is_told_of_the_money,
    alarms_tell_somebody,
)

"""A proof says true of what is there, and false of each thing that is not."""

import json
from typing import Any

import pytest

from environments.dev import DEV
from ultracluster.prove.proof import Evidence, prove
from ultracluster.prove.proofs import PROOFS
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.slurm import QueueSpec, SlurmSpec

OTHER = (QueueSpec(name="other"),)


def proof_of(deployed, spec: EnvironmentSpec | None = None):
    """Return evidence and the checks that failed, by area."""
    evidence = Evidence(spec or deployed.spec, deployed.deployment, deployed.cloud)
    results = prove(PROOFS, evidence)
    failed = {
        area: [str(check) for check in checks if not check.ok]
        for area, checks in results.items()
        if any(not check.ok for check in checks)
    }
    return evidence, results, failed


def test_everything_of_every_environment_is_proved(deployed):
    """What the templates ask for is there, and every area has looked at something."""
    _, results, failed = proof_of(deployed)

    assert failed == {}
    assert all(results.values())


def test_figures_come_from_the_answers_of_the_api(deployed):
    """The table at the end shows what was found, not what was asked for."""
    evidence, *_ = proof_of(deployed)

    nodes = deployed.spec.nodes
    assert evidence.facts["nodes"] == nodes.total
    assert evidence.facts["cards"] == nodes.instance.network_cards.count
    assert evidence.facts.get("reserved") == (nodes.total if nodes.makes_reservation else None)
    assert 0 < evidence.facts["free addresses"] < deployed.spec.network.training_addresses


def revoke(direction):
    """Return a spoiler that takes the fabric group's rule for itself away."""

    def spoil(deployed):
        group = deployed.deployment.id_at("Network", "Fabric/Resource/Resource")
        itself = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
        operation = f"revoke_security_group_{direction}"
        deployed.cloud.ask("ec2", operation, GroupId=group, IpPermissions=itself)

    return spoil


def open_fabric(deployed):
    """Admit everybody to the fabric group."""
    group = deployed.deployment.id_at("Network", "Fabric/Resource/Resource")
    everybody = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    deployed.cloud.ask(
        "ec2", "authorize_security_group_ingress", GroupId=group, IpPermissions=everybody
    )


def close_lustre(deployed):
    """Take port 988 from the nodes."""
    servers = deployed.deployment.id_at("Storage", "Lustre/Group/Resource")
    nodes = deployed.deployment.id_at("Network", "Nodes/Resource/Resource")
    port = {"IpProtocol": "tcp", "FromPort": 988, "ToPort": 988}
    rules = [port | {"UserIdGroupPairs": [{"GroupId": nodes}]}]
    deployed.cloud.ask("ec2", "revoke_security_group_ingress", GroupId=servers, IpPermissions=rules)


def give_public_addresses(deployed):
    """Let the training subnet give public addresses."""
    subnet = deployed.deployment.id_at("Network", "Network/Training0Subnet")
    deployed.cloud.ask(
        "ec2", "modify_subnet_attribute", SubnetId=subnet, MapPublicIpOnLaunch={"Value": True}
    )


def cut_route(deployed):
    """Take the route to the NAT gateway away."""
    table = deployed.deployment.id_at("Network", "Network/Training0Routes")
    deployed.cloud.ask("ec2", "delete_route", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")


def shrink_nodes(deployed):
    """Take one node from the group's full size."""
    group = deployed.deployment.id_at("Cluster", "Nodes/Resource")
    deployed.cloud.ask(
        "autoscaling", "update_auto_scaling_group", AutoScalingGroupName=group, MaxSize=1
    )


def close_slurm(deployed):
    """Take the daemons' ports from the members of the Slurm group."""
    group = deployed.deployment.id_at("Cluster", "Slurm/Group/Resource/Resource")
    ports = {"IpProtocol": "tcp", "FromPort": 6817, "ToPort": 6819}
    rules = [ports | {"UserIdGroupPairs": [{"GroupId": group}]}]
    deployed.cloud.ask("ec2", "revoke_security_group_ingress", GroupId=group, IpPermissions=rules)


def stop_a_log(deployed):
    """End the delivery of one of the cluster's logs."""
    delivery = deployed.deployment.id_at("Cluster", "Slurm/Logs/ScalingDelivery")
    deployed.cloud.ask("logs", "delete_delivery", id=delivery)


def forbid_registration(deployed):
    """Take the leave to register from the nodes' role."""
    role = deployed.deployment.id_at("Cluster", "Slurm/NodeRole/Node/Resource/Resource")
    policy = deployed.deployment.id_at("Cluster", "Slurm/NodeRole/Registration/Resource")
    deployed.cloud.ask("iam", "detach_role_policy", RoleName=role, PolicyArn=policy)


def untag_nodes(deployed):
    """Take the environment's tag from the instances, as if PCS's own tags were all they have."""
    rows = deployed.cloud.ask("ec2", "describe_instances")["Reservations"]
    ids = [each["InstanceId"] for row in rows for each in row["Instances"]]
    deployed.cloud.ask(
        "ec2", "delete_tags", Resources=ids, Tags=[{"Key": "ultracluster:environment"}]
    )


def stop_nodes(deployed):
    """Stop what PCS launched, as where no capacity was there."""
    rows = deployed.cloud.ask("ec2", "describe_instances")["Reservations"]
    ids = [each["InstanceId"] for row in rows for each in row["Instances"]]
    deployed.cloud.ask("ec2", "terminate_instances", InstanceIds=ids)


def forget_login_nodes(deployed):
    """Add a version of the login nodes' template without tags."""
    template = deployed.deployment.id_at("Cluster", "Slurm/LoginTemplate/Resource")
    deployed.cloud.ask(
        "ec2",
        "create_launch_template_version",
        LaunchTemplateId=template,
        LaunchTemplateData={"InstanceType": "m6i.xlarge"},
    )


def lose_a_card(deployed):
    """Add a version of the launch template with three cards."""
    template = deployed.deployment.id_at("Cluster", "LaunchTemplate/Resource")
    answer = deployed.cloud.ask(
        "ec2",
        "describe_launch_template_versions",
        LaunchTemplateId=template,
        Versions=["$Latest"],
    )
    data = answer["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    data["NetworkInterfaces"] = data["NetworkInterfaces"][:-1]
    deployed.cloud.ask(
        "ec2",
        "create_launch_template_version",
        LaunchTemplateId=template,
        LaunchTemplateData=data,
    )


def suspend_versions(deployed):
    """Stop versioning of the data bucket."""
    name = deployed.deployment.id_at("Storage", "Data/Resource/Resource")
    deployed.cloud.ask(
        "s3",
        "put_bucket_versioning",
        Bucket=name,
        VersioningConfiguration={"Status": "Suspended"},
    )


def keep_versions_for_a_year(deployed):
    """Let the data bucket keep what the sheet does not count."""
    rule = {
        "ID": "old",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 365},
    }
    deployed.cloud.ask(
        "s3",
        "put_bucket_lifecycle_configuration",
        Bucket=deployed.deployment.id_at("Storage", "Data/Resource/Resource"),
        LifecycleConfiguration={"Rules": [rule]},
    )


def deny_one_action_without_tls(deployed):
    """Leave a refusal of requests without TLS that refuses reading alone."""
    name = deployed.deployment.id_at("Storage", "Data/Resource/Resource")
    policy = json.loads(deployed.cloud.ask("s3", "get_bucket_policy", Bucket=name)["Policy"])
    for statement in policy["Statement"]:
        if "aws:SecureTransport" in str(statement):
            statement["Action"] = "s3:GetObject"
    deployed.cloud.ask("s3", "put_bucket_policy", Bucket=name, Policy=json.dumps(policy))


def lose_a_parameter(deployed):
    """Delete the parameter that names the file system."""
    deployed.cloud.ask("ssm", "delete_parameter", Name="/ultracluster/ultracluster/file-system-id")


def cancel_reservation(deployed):
    """Give the reserved capacity back."""
    reservation = deployed.deployment.id_at("Cluster", "Placement/Reservation")
    deployed.cloud.ask("ec2", "cancel_capacity_reservation", CapacityReservationId=reservation)


def silence_the_alarm(deployed):
    """Take the one subscriber of idle capacity away."""
    topic = deployed.deployment.id_at("Cluster", "Alarms/Topic/Resource")
    answer = deployed.cloud.ask("sns", "list_subscriptions_by_topic", TopicArn=topic)
    for each in answer["Subscriptions"]:
        deployed.cloud.ask("sns", "unsubscribe", SubscriptionArn=each["SubscriptionArn"])


def forget_an_alarm(deployed):
    """Delete the alarm on full disks."""
    deployed.cloud.ask("cloudwatch", "delete_alarms", AlarmNames=["ultracluster-disk-full"])


def lift_protection(deployed):
    """Allow the storage stack to be deleted."""
    deployed.cloud.ask(
        "cloudformation",
        "update_termination_protection",
        StackName="ultracluster-Storage",
        EnableTerminationProtection=False,
    )


def borrow_a_role(deployed):
    """Let the state machine run as the launcher."""
    machine = deployed.deployment.id_at("Training", "Unattended/Resource")
    launcher = deployed.deployment.id_at("Training", "LauncherRole/Resource/Resource")
    arn = deployed.cloud.ask("iam", "get_role", RoleName=launcher)["Role"]["Arn"]
    deployed.cloud.ask(
        "stepfunctions", "update_state_machine", stateMachineArn=machine, roleArn=arn
    )


def forget_the_file_system(deployed):
    """Take the leave to look at file systems from the execution role."""
    arn = policy_arn(deployed)
    statements = policy_statements(deployed, arn)
    new_version(deployed, arn, [s for s in statements if "fsx:DescribeFileSystems" not in str(s)])


def allow_more(deployed):
    """Let jobs read every secret of the account."""
    arn = policy_arn(deployed)
    secret = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    new_version(deployed, arn, [*policy_statements(deployed, arn), secret])


def drop_a_condition(deployed):
    """Allow without condition what was allowed with one."""
    arn = policy_arn(deployed)
    statements = policy_statements(deployed, arn)
    for statement in statements:
        statement.pop("Condition", None)
    new_version(deployed, arn, statements)


def policy_arn(deployed):
    """Return the execution role's policy."""
    return deployed.deployment.id_at("Training", "ExecutionRole/Policy/Resource")


def policy_statements(deployed, arn):
    """Return what a policy says."""
    version = deployed.cloud.ask("iam", "get_policy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
    answer = deployed.cloud.ask("iam", "get_policy_version", PolicyArn=arn, VersionId=version)
    return answer["PolicyVersion"]["Document"]["Statement"]


def new_version(deployed, arn, statements):
    """Let a policy say something else."""
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    deployed.cloud.ask(
        "iam", "create_policy_version", PolicyArn=arn, PolicyDocument=document, SetAsDefault=True
    )


def delete_flow_log(deployed):
    """Delete the flow log, behind CloudFormation's back."""
    log = deployed.deployment.id_at("Network", "Network/FlowLog")
    deployed.cloud.ask("ec2", "delete_flow_logs", FlowLogIds=[log])


def stop_logging(deployed):
    """Let the state machine write no log."""
    machine = deployed.deployment.id_at("Training", "Unattended/Resource")
    deployed.cloud.ask(
        "stepfunctions",
        "update_state_machine",
        stateMachineArn=machine,
        loggingConfiguration={"level": "OFF"},
    )


def raise_the_limit(deployed):
    """Let the budget be a dollar larger than the ceiling."""
    found = budget_of(deployed)
    limit = {**found["BudgetLimit"], "Amount": str(float(found["BudgetLimit"]["Amount"]) + 1)}
    new = {key: found[key] for key in ("BudgetName", "BudgetType", "TimeUnit", "CostFilters")}
    account = deployed.cloud.ask("sts", "get_caller_identity")["Account"]
    deployed.cloud.ask(
        "budgets", "update_budget", AccountId=account, NewBudget={**new, "BudgetLimit": limit}
    )


def budget_of(deployed):
    """Return the environment's budget."""
    account = deployed.cloud.ask("sts", "get_caller_identity")["Account"]
    name = deployed.deployment.id_at("Network", "Budget/Resource")
    answer = deployed.cloud.ask("budgets", "describe_budget", AccountId=account, BudgetName=name)
    return answer["Budget"]


def silence_the_forecast(deployed):
    """Delete the alert of money that is forecast."""
    account = deployed.cloud.ask("sts", "get_caller_identity")["Account"]
    deployed.cloud.ask(
        "budgets",
        "delete_notification",
        AccountId=account,
        BudgetName=budget_of(deployed)["BudgetName"],
        Notification={
            "NotificationType": "FORECASTED",
            "ComparisonOperator": "GREATER_THAN",
            "Threshold": 100.0,
            "ThresholdType": "PERCENTAGE",
        },
    )


def tell_somebody_else(deployed):
    """Let an alert go to an address that nobody asked for."""
    account = deployed.cloud.ask("sts", "get_caller_identity")["Account"]
    deployed.cloud.ask(
        "budgets",
        "create_subscriber",
        AccountId=account,
        BudgetName=budget_of(deployed)["BudgetName"],
        Notification={
            "NotificationType": "ACTUAL",
            "ComparisonOperator": "GREATER_THAN",
            "Threshold": 80.0,
            "ThresholdType": "PERCENTAGE",
        },
        Subscriber={"SubscriptionType": "EMAIL", "Address": "stranger@example.com"},
    )


SPOILED = (
    (revoke("ingress"), "security groups", "all protocols, in"),
    (revoke("egress"), "security groups", "all protocols, out"),
    (open_fabric, "security groups", "peers of the fabric group"),
    (close_lustre, "security groups", "servers' rule for nodes TCP 988-988 in"),
    (give_public_addresses, "network", "public addresses of subnet"),
    (cut_route, "network", "default route of"),
    (close_slurm, "Slurm", "TCP 6817-6819, in"),
    (forget_login_nodes, "Slurm", "tags of login nodes"),
    (untag_nodes, "nodes", "without the environment's tag"),
    (stop_nodes, "nodes", "that run"),
    (forbid_registration, "nodes, policies", "leave to register"),
    (cancel_reservation, "placement and capacity", "state of the reservation"),
    (suspend_versions, "data bucket", "versioning of the data bucket"),
    (keep_versions_for_a_year, "data bucket", "days of old versions"),
    (deny_one_action_without_tls, "data bucket", "refusal of requests without TLS"),
    (raise_the_limit, "budget", "limit of the budget"),
    (silence_the_forecast, "budget", "alerts of the budget"),
    (tell_somebody_else, "budget", "who is notified at 80 %"),
    (stop_a_log, "Slurm", "logs of the cluster that are delivered"),
    (silence_the_alarm, "idle capacity, alarms", "who is told of idle capacity"),
    (forget_an_alarm, "alarms", "alarms left out"),
    (lose_a_parameter, "job parameters", "file-system-id"),
    (forget_the_file_system, "policies", "without fsx:DescribeFileSystems"),
    (allow_more, "policies", "with secretsmanager:GetSecretValue"),
    (drop_a_condition, "policies", "statements of ExecutionRole/Policy"),
    (delete_flow_log, "network", "flow logs of the VPC"),
    (borrow_a_role, "unattended training", "role of the state machine"),
    (stop_logging, "unattended training", "log level of the state machine"),
    (lift_protection, "every resource of every stack", "protection of ultracluster-Storage"),
)
"""What makes an environment another one than it was asked for, the areas whose proofs fail by it,
and words of the first area."""


def apart(rows):
    """Return the rows in as few groups as do, of which no two rows have an area in common."""
    groups: list[list[Any]] = []
    for row in rows:
        own = set(row[1].split(", "))
        for group in groups:
            if own.isdisjoint(each for _, areas, _ in group for each in areas.split(", ")):
                group.append(row)
                break
        else:
            groups.append([row])
    return groups


@pytest.mark.parametrize("rows", apart(SPOILED), ids=lambda rows: f"{rows[0][2]}, and others")
def test_a_proof_fails_where_something_is_not_as_asked(ultracluster, rows):
    """A proof that nothing can fail proves nothing."""
    for spoil, _, _ in rows:
        spoil(ultracluster)

    *_, failed = proof_of(ultracluster)

    # What is deleted is missing from its service as well.
    areas = {area for _, areas, _ in rows for area in areas.split(", ")}
    assert failed.keys() - {"every service"} == areas
    for _, area, words in rows:
        assert any(words in line for line in failed[area.partition(",")[0]])


@pytest.mark.parametrize(
    ("spoil", "area", "words"),
    [
        (shrink_nodes, "nodes", "most nodes"),
        (lose_a_card, "launch template", "interfaces, layout one-address"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_proof_fails_where_scaled_nodes_are_not_as_asked(deployer, spoil, area, words):
    """Without Slurm an Auto Scaling group launches the nodes."""
    dev = deployer.deploy(DEV)
    spoil(dev)

    *_, failed = proof_of(dev)

    assert list(failed) == [area]
    assert any(words in line for line in failed[area])


def test_another_wish_for_slurm_than_what_is_there_fails(deployed):
    """Every setting of it is read from the service."""
    slurm = deployed.spec.slurm
    if slurm is None:
        wish = deployed.spec.model_construct(**{**vars(deployed.spec), "slurm": SlurmSpec()})
    else:
        changes = {"version": "24.11", "idle_seconds": 61, "least_nodes": 1}
        changes |= {"queues": OTHER, "node_groups": ()}
        wish = deployed.spec.model_copy(update={"slurm": slurm.model_copy(update=changes)})

    *_, failed = proof_of(deployed, wish)

    assert {"nodes", "Slurm"} <= set(failed)
    if slurm is not None:
        for words in ("version of Slurm", "seconds until an idle node", "queues should be"):
            assert any(words in line for line in failed["Slurm"])


def test_another_wish_than_what_is_there_fails(deployed):
    """Settings of the file system are compared with the spec, not with the template."""
    storage = deployed.spec.storage.model_copy(update={"data_compression_type": "NONE"})
    wish = deployed.spec.model_copy(update={"storage": storage})

    *_, failed = proof_of(deployed, wish)

    assert list(failed) == ["Lustre"]
    assert "DataCompressionType" in failed["Lustre"][0]


def test_a_resource_that_was_skipped_is_seen(ultracluster):
    """A type that an emulator leaves out in silence would otherwise look like success."""
    network, *others = ultracluster.stacks
    template = dict(network.template)
    template["Resources"] = {
        **template["Resources"],
        "Forgotten": {"Type": "AWS::EC2::NetworkAcl", "Properties": {}},
    }
    ultracluster.stacks = (
        type(network)(network.name, network.construct_id, template, termination_protection=True),
        *others,
    )

    *_, failed = proof_of(ultracluster)

    assert "Forgotten (AWS::EC2::NetworkAcl)" in failed["every resource of every stack"][0]

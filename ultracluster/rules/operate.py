"""OPERATE rules: metrics, logs and alarms of a running cluster."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ultracluster.catalogue.slurm import LOG_TYPES
from ultracluster.model.model import Model
from ultracluster.model.nodes import Node, described
from ultracluster.model.permissions import Question
from ultracluster.model.policies import Identity
from ultracluster.rules.capacity_placement import RESERVATION
from ultracluster.rules.rule import About, Fault, launched, of
from ultracluster.rules.safety_nodes import running_script
from ultracluster.rules.safety_policies import PUBLISHERS, TOPIC
from ultracluster.rules.slurm import clusters, roles_of
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import ResolvedResource
from ultracluster.templates.resolved_values import Key, UndeterminedError

ALARM: Final = "AWS::CloudWatch::Alarm"
RESERVED: Final = "AWS/EC2CapacityReservations"
SENDING: Final = ("cloudwatch:PutMetricData", "aps:RemoteWrite")
SCRAPED: Final = re.compile(r"(?i)exporter|prometheus")
"""What a script has that lets others fetch a node's metrics."""
WITHOUT_METRICS: Final = (
    *("AmazonSSMManagedInstanceCore", "AmazonEC2ContainerRegistryReadOnly"),
    *("AmazonS3ReadOnlyAccess", "AmazonS3FullAccess", "AWSPCSComputeNodePolicy"),
)
"""Policies of AWS that nodes have and that send no metrics (AWS managed policy reference, read
2026-11-27)."""
WITH_METRICS: Final = (
    *("CloudWatchAgentServerPolicy", "CloudWatchAgentAdminPolicy", "PowerUserAccess"),
    *("AdministratorAccess", "AmazonPrometheusRemoteWriteAccess"),
)
BY_GROUPS: Final = ("pcs", "group", "fleet")
"""Who launches nodes that nobody looks at one by one; on Kubernetes a pod measures them."""


@launched.info(
    "OPERATE-1",
    what="Nodes with EFA neither send metrics nor run an exporter.",
    why="A GPU that is lost, hot or slow, and a job that hangs, are noticed by whoever waits for "
    "the result: the whole cluster is billed until then.",
    source="CloudWatch user guide, agent on EC2; DLAMI guide, GPU monitoring (its agent is not "
    "started by itself); read 2026-11-27",
    fix="allow the role of the nodes cloudwatch:PutMetricData (CloudWatchAgentServerPolicy), and "
    "start the CloudWatch agent or an exporter in user data",
    check="aws cloudwatch list-metrics --namespace CWAgent",
)
def nodes_with_metrics(model: Model, node: Node) -> Iterator[Fault]:
    by_groups = node.launcher is not None and node.launcher.kind in BY_GROUPS
    if not by_groups or node.alone() or not node.efa_interfaces() or not node.instance_types():
        return
    if SCRAPED.search(running_script(model, node)):
        return
    if node.profile() is None:
        yield Fault(f"{described(node)} has no instance profile, with which it could write metrics")
        return
    roles = roles_of(model, node.profile())
    if not any(map(_may_send, roles)):
        yield Fault(f"{described(node)}: role {roles[0].place.logical_id} may write no metrics")


def _may_send(role: Identity) -> bool:
    """Whether a role may write metrics."""
    if any(Question(action).allowed(role.statements) for action in SENDING):
        return True
    outside = {
        policy: policy.rpartition("/")[2] for policy in map(read.written, role.outside_policies)
    }
    unknown = [policy for policy, name in outside.items() if name not in WITHOUT_METRICS]
    if any(outside[policy] not in WITH_METRICS for policy in unknown):
        raise UndeterminedError(f"policy {unknown[0]} may let it write metrics")
    return bool(unknown)


@clusters.info(
    "OPERATE-2",
    what="The logs of a PCS cluster are not delivered.",
    why="That there was no capacity for a node, or why one was replaced, stands in the logs of the "
    "controller alone, which nobody can enter.",
    source="AWS PCS user guide, logs, read 2026-11-26; aws-hpc-recipes pcs/cloudwatch",
    fix="write AWS::Logs::DeliverySource, DeliveryDestination and Delivery for each log type",
    check="aws logs describe-deliveries; aws logs describe-delivery-sources",
)
def logs_kept(model: Model, cluster: ResolvedResource) -> Iterator[Fault]:
    delivered = {
        read.key(d.properties, "DeliverySourceName") for d in model.of("AWS::Logs::Delivery")
    }
    kept = {
        read.text(source.properties, "LogType")
        for source in model.of("AWS::Logs::DeliverySource")
        if read.key(source.properties, "ResourceArn") == cluster.place.key
        and not delivered.isdisjoint(
            (source.place.key, read.written(source.properties.get("Name")))
        )
    }
    if missing := [name for name in LOG_TYPES if name not in kept]:
        yield Fault(f"no delivery of {', '.join(missing)}")


def _topics_of_alarms_and_budgets(model: Model) -> Sequence[ResolvedResource]:
    return [
        topic
        for topic in model.of(TOPIC)
        if any(u.resource_type in PUBLISHERS for u in model.users.get(topic.place.key, ()))
    ]


@About(_topics_of_alarms_and_budgets).info(
    "OPERATE-3",
    what="Nobody subscribes to the topic of an alarm or of a budget.",
    why="The message is sent and reaches no one, unless somebody subscribes by hand.",
    source="SNS developer guide, subscriptions; aws-parallelcluster#3205; read 2026-11-23",
    fix="write AWS::SNS::Subscription with Protocol email, and confirm the mail that comes",
    check="aws sns list-subscriptions-by-topic --topic-arn <topic>",
)
def topic_with_subscribers(model: Model, topic: ResolvedResource) -> Iterator[Fault]:
    users = model.users.get(topic.place.key, ())
    stated = [u.properties for u in users if u.resource_type == "AWS::SNS::Subscription"]
    stated += read.items(topic.properties, "Subscription")
    if not any(read.part(each, "Endpoint") for each in stated):
        yield Fault("it has no subscription in the templates")


def _watched(model: Model) -> frozenset[Key]:
    """Return the reservations that alarms are on, an empty text for an alarm that names none."""
    found: set[Key] = set()
    for alarm in model.of(ALARM):
        if RESERVED in model.words(alarm):
            named = [model.at(link.key) for link in read.links(alarm.properties)]
            keys = {r.place.key for r in named if r and r.resource_type == RESERVATION}
            found |= keys or {""}
    return frozenset(found)


@of(RESERVATION).info(
    "OPERATE-4",
    what="No alarm watches the use of a capacity reservation.",
    why="It is billed by the second whether anything runs in it or not: nodes that fail to launch, "
    "or that name another reservation, cost as much as a cluster that trains.",
    source="EC2 User Guide, monitor Capacity Reservations with CloudWatch metrics, read 2026-11-26",
    fix="write AWS::CloudWatch::Alarm on InstanceUtilization of AWS/EC2CapacityReservations, "
    "with TreatMissingData breaching",
    check=f"aws cloudwatch describe-alarms --query \"MetricAlarms[?Namespace=='{RESERVED}']\"",
)
def reservation_with_alarm(model: Model, reservation: ResolvedResource) -> Iterator[Fault]:
    watched = model.cached(_watched)
    # An alarm that names none is for all of them.
    if watched.isdisjoint(("", reservation.place.key)):
        yield Fault("no alarm is on its use")

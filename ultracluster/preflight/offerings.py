"""Checks of zone, Region and account: types, endpoints, CDK bootstrap, PCS, notifications.

Node groups and queues of a cluster of PCS, and what each size manages, cannot be raised: an
environment's rules and the fabric rules hold them (`ultracluster/spec/part_rules.py`, SLURM-1).
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.slurm import SIZES, cluster_name
from ultracluster.preflight.finding import (
    Finding,
    Situation,
    check,
    failed,
    of_each_fabric,
    passed,
    skipped,
)
from ultracluster.preflight.inquiry import question
from ultracluster.preflight.usage import FILE_SYSTEMS, existing_file_systems
from ultracluster.problem import choices
from ultracluster.spec.budget import TOPIC_ARN
from ultracluster.spec.node_groups import plain_nodes
from ultracluster.synthesis import qualifier

PERSISTENT_2: Final = "PERSISTENT_2"
SERVICES: Final = question("ec2", "describe_vpc_endpoint_services", MaxResults=1000)


@check("zone-offering", "The instance type is offered in the zone", of_each_fabric)
def _instance_type(situation: Situation) -> Iterator[Finding]:
    yield _offered(situation, situation.spec.nodes.instance_type, "nodes.instance_type")


@check("login-offering", "Instance types without EFA, such as login nodes', are offered")
def _plain_types(situation: Situation) -> Iterator[Finding]:
    every = plain_nodes(situation.spec)
    found = [_offered(situation, each.instance_type, each.type_field) for each in every]
    yield from found or [skipped("login nodes", "the environment has none")]


def _offered(situation: Situation, name: str, field: str) -> Finding:
    spec = situation.spec
    zone = spec.availability_zone_id
    asked = question(
        "ec2",
        "describe_instance_type_offerings",
        LocationType="availability-zone-id",
        Filters=[{"Name": "instance-type", "Values": [name]}],
    )
    rows = situation.ask(asked)["InstanceTypeOfferings"]
    zones = sorted(row["Location"] for row in rows if row["InstanceType"] == name)
    subject = f"{name} in {zone}"
    if zone in zones:
        words = f"offered in {', '.join(zones)}; an offering is not capacity"
        return passed(subject, words, asked)
    found = "offered in no zone of the Region"
    fix = f"use another Region, or write another type in {field}; {spec.region} offers {name} "
    fix += "in no zone"
    if zones:
        found = f"offered in {', '.join(zones)} to this account"
        fix = f"write availability_zone_id={choices([repr(each) for each in zones])}"
        if name != spec.nodes.instance_type:
            fix = f"write another type in {field}; it has to be where the nodes are"
    return failed(subject, found, zone, fix, asked)


@check("endpoint-services", "Endpoint services are offered in the zone")
def _endpoint_services(situation: Situation) -> Iterator[Finding]:
    spec = situation.spec
    wanted, zone = spec.network.interface_endpoints, spec.availability_zone_id
    subject = f"endpoint services in {zone}"
    if not wanted:
        yield skipped(subject, "the environment adds no interface endpoint")
        return
    # The beginning differs: com.amazonaws, aws.api, cn.com.amazonaws.
    marker = f".{spec.region}."
    zones: dict[str, list[str]] = {}
    for row in situation.ask(SERVICES)["ServiceDetails"]:
        name = row["ServiceName"].partition(marker)[2]
        zones.setdefault(name, []).extend(row.get("AvailabilityZoneIds") or ())
    faults = []
    for name in wanted:
        fix = f'take "{name}" out of network.interface_endpoints'
        if name not in zones:
            found = f"the Region has no endpoint service {name}"
            faults.append(failed(subject, found, name, fix, SERVICES))
        # Zone ids came to this answer late; where a row has none, nothing is known of its zones.
        elif zones[name] and zone not in zones[name]:
            found = f"{name} has endpoints in {', '.join(sorted(set(zones[name])))}"
            fix = f"{fix}, or use another zone"
            faults.append(failed(subject, found, zone, fix, SERVICES))
    words = f"all {len(wanted)} that the network asks for"
    yield from faults or [passed(subject, words, SERVICES)]


@check("lustre-persistent-2", "PERSISTENT_2 is offered in the Region")
def _persistent_2(situation: Situation) -> Iterator[Finding]:
    """No API tells where PERSISTENT_2 is offered, but an existing file system shows it."""
    subject = f"PERSISTENT_2 in {situation.spec.region}"
    if situation.spec.storage.deployment_type != PERSISTENT_2:
        yield skipped(subject, f"the file system is {situation.spec.storage.deployment_type}")
        return
    rows = existing_file_systems(situation, PERSISTENT_2)
    if rows:
        yield passed(subject, f"{rows[0]['FileSystemId']} is one", FILE_SYSTEMS)
        return
    yield skipped(
        subject,
        "no API tells where it is offered, and the account has no such file system here",
        "look at the FSx console's list of deployment types in this Region",
        FILE_SYSTEMS,
    )


OLDEST_VERSION: Final = 6
"""What a template asks of the stack (rule CheckBootstrapVersion in `golden/`, by aws-cdk-lib
2.275.0's default synthesizer)."""


@check("bootstrap-version", "The bootstrap stack is recent enough")
def _version(situation: Situation) -> Iterator[Finding]:
    name = f"/cdk-bootstrap/{qualifier()}/version"
    asked = question("ssm", "get_parameter", Name=name)
    where = f"aws://{situation.caller.account}/{situation.spec.region}"
    subject = f"bootstrap stack of {where}"
    answer = situation.ask_unless(asked, "ParameterNotFound")
    version = int(answer["Parameter"]["Value"]) if answer else 0
    if version >= OLDEST_VERSION:
        yield passed(subject, f"version {version}", asked)
        return
    again = "bootstrap again, by the CDK CLI of the lock file"
    yield failed(
        subject,
        f"version {version}" if version else "none",
        f"version {OLDEST_VERSION} or later",
        again if version else "bootstrap the account in this Region once",
        asked,
        fix_command=f"npx cdk bootstrap {where}",
    )


NOBODYS: Final = re.compile(
    r"[@.](example(\.(com|net|org))?|invalid|test|localhost)$", re.IGNORECASE
)
"""Example domains, which belong to nobody (RFC 2606, RFC 6761)."""


@check("notify-addresses", "Somebody is notified of cost and idle capacity")
def _notified(situation: Situation) -> Iterator[Finding]:
    notify = situation.spec.budget.notify
    if not notify:
        yield skipped(
            "budget.notify",
            "budget.notify is empty; somebody has to subscribe to the environment's topic",
            f'write notify=("team@your-company.com",) in the budget of {situation.spec.name}',
        )
    for address in notify:
        if TOPIC_ARN.fullmatch(address):
            yield passed(address, "a topic; its subscribers are not checked")
        elif NOBODYS.search(address):
            yield failed(
                address,
                "an example domain, at which nobody reads mail",
                "an address that somebody reads",
                f"write it into budget.notify of the environment {situation.spec.name}",
            )
        else:
            yield passed(address, "an address of a real domain")


PCS_REGIONS: Final = "/aws/service/global-infrastructure/services/pcs/regions"
REGIONS: Final = question("ssm", "get_parameters_by_path", Path=PCS_REGIONS)
"""Where AWS says that PCS is (Systems Manager User Guide, public parameters, read 2026-11-23)."""
CLUSTERS: Final = question("pcs", "list_clusters")
CREATING: Final = "CREATING"
NO_SLURM: Final = "the environment has no Slurm"


@check("slurm-region", "AWS PCS is offered in the Region")
def _region(situation: Situation) -> Iterator[Finding]:
    region = situation.spec.region
    subject = f"AWS PCS in {region}"
    if situation.spec.slurm is None:
        yield skipped(subject, NO_SLURM)
        return
    known = {row["Value"] for row in situation.ask(REGIONS)["Parameters"]}
    if not known:
        yield skipped(subject, "AWS's public parameters do not list its Regions", question=REGIONS)
    elif region in known:
        yield passed(subject, f"one of {len(known)} Regions", REGIONS)
    else:
        fix = "write slurm=None, or use a Region that has it"
        yield failed(subject, "not there", f"one of {len(known)} Regions", fix, REGIONS)


def clusters_of_others(situation: Situation) -> int:
    """Count the clusters that stay while the environment's is made.

    One of the environment in another size is among them: it is deleted after the new one is made.
    """
    planned = _planned_name(situation)
    return sum(not (row["name"] == planned and _is_own(situation, row)) for row in _rows(situation))


@check("slurm-cluster", "The name of the Slurm cluster is free")
def _name(situation: Situation) -> Iterator[Finding]:
    """Names are unique in a Region, and one cluster at a time is made."""
    if situation.spec.slurm is None:
        yield skipped("PCS cluster", NO_SLURM)
        return
    name, faults = _planned_name(situation), []
    for row in _rows(situation):
        if _is_own(situation, row):
            continue
        if row["name"] == name:
            fix, found = "delete that cluster, or give the environment another name", row["id"]
            faults.append(failed(name, f"{found} has the name", "free", fix, CLUSTERS))
        # botocore 1.43.106, CreateCluster: a second one is refused while one is being created.
        if row["status"] == CREATING:
            fix, subject = f"wait until {row['name']} is ACTIVE", "clusters being created"
            fix += "; a Region creates one cluster at a time"
            faults.append(failed(subject, row["name"], "none", fix, CLUSTERS))
    words = "the name is free or the environment's, and none is created"
    yield from faults or [passed(name, words, CLUSTERS)]


def _planned_name(situation: Situation) -> str:
    spec = situation.spec
    size = "" if spec.slurm is None else spec.slurm.cluster_size(spec.nodes.total)
    return cluster_name(spec.name, size)


def _rows(situation: Situation) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = situation.ask(CLUSTERS)["clusters"]
    return rows


def _is_own(situation: Situation, row: dict[str, Any]) -> bool:
    """Whether a cluster is the environment's; its tags are asked for only if its name may be."""
    name = situation.spec.name
    if row["name"] not in {cluster_name(name, size) for size in SIZES}:
        return False
    asked = question("pcs", "list_tags_for_resource", resourceArn=row["arn"])
    return bool(situation.ask(asked)["tags"].get(ENVIRONMENT_TAG) == name)

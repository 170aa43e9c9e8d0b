"""Proof of Slurm: the controller, who reaches it, and what it launches on which template."""

from collections.abc import Iterator
from typing import Any

from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.slurm import (
    LOGIN,
    REGISTERING,
    ROLE_PATH,
    ROLE_TAG,
    SIZES,
    SLURMCTLD_PORT,
    SLURMDBD_PORT,
    SRUN_PORTS,
)
from ultracluster.rehearse.network_proof import rules_of, training_subnets
from ultracluster.rehearse.proof import Check, Evidence, equal, present
from ultracluster.rehearse.services import described
from ultracluster.spec.slurm import SlurmSpec

PROLOG_PARAMETER = "Prolog"


def slurm(evidence: Evidence) -> Iterator[Check]:
    """A controller of the right size that its nodes reach; none where none is asked for."""
    spec = evidence.spec.slurm
    if spec is None:
        every = evidence.cloud.ask("pcs", "list_clusters")["clusters"]
        yield equal("Slurm clusters", 0, len(every))
        return
    cluster = _cluster(evidence)
    yield equal("version of Slurm", spec.version, cluster["scheduler"]["version"])
    yield equal(
        "size of the Slurm cluster", spec.cluster_size(evidence.spec.nodes.count), cluster["size"]
    )
    groups = _groups(evidence)
    most = sum(group["scalingConfiguration"]["maxInstanceCount"] for group in groups.values())
    held = SIZES.get(cluster["size"], 0)
    yield Check("instances that the size manages", f"at least {most}", held, ok=held >= most)
    settings = cluster["slurmConfiguration"]
    idle = settings.get("scaleDownIdleTimeInSeconds")
    yield equal("seconds until an idle node is stopped", spec.idle_seconds, idle)
    mode = "NONE" if spec.accounting_days is None else "STANDARD"
    yield equal("accounting", mode, settings.get("accounting", {}).get("mode"))
    custom = {s["parameterName"] for s in settings.get("slurmCustomSettings", [])}
    yield present("a prolog", there=PROLOG_PARAMETER in custom)
    first = training_subnets(evidence)[0]["SubnetId"]
    yield equal("subnet of the controller", [first], cluster["networking"]["subnetIds"])
    yield from _ports(evidence, cluster)
    yield from _queue(evidence, spec, groups)
    if spec.login_instance_type is not None:
        yield _login_tags(evidence)


def _login_tags(evidence: Evidence) -> Check:
    """`train --slurm` finds login nodes, and the launcher may command them, by these tags alone."""
    template = evidence.id_at("Cluster", "Slurm/LoginTemplate/Resource")
    versions = evidence.cloud.ask(
        "ec2", "describe_launch_template_versions", LaunchTemplateId=template, Versions=["$Latest"]
    )["LaunchTemplateVersions"]
    found = {
        tag["Key"]: tag["Value"]
        for each in versions[0]["LaunchTemplateData"].get("TagSpecifications", [])
        for tag in each["Tags"]
        if each["ResourceType"] == "instance"
    }
    wanted = {ENVIRONMENT_TAG: evidence.spec.name, ROLE_TAG: LOGIN}
    return equal("tags of login nodes", wanted, {name: found.get(name) for name in wanted})


def node_groups(evidence: Evidence, spec: SlurmSpec) -> Iterator[Check]:
    """Nodes between the least and full size on the environment's template, and login nodes."""
    groups, nodes = _groups(evidence), evidence.spec.nodes
    wanted = {_name(nodes.instance_type): (spec.least_nodes, nodes.count)}
    if spec.login_instance_type is not None:
        login = f"login-{_name(spec.login_instance_type)}"
        wanted[login] = (spec.login_nodes, spec.login_nodes)
    found = {
        name: tuple(group["scalingConfiguration"][f"{end}InstanceCount"] for end in ("min", "max"))
        for name, group in groups.items()
    }
    yield equal("node groups, and their fewest and most nodes", wanted, found)
    group = groups[_name(nodes.instance_type)]
    evidence.facts["nodes"] = group["scalingConfiguration"]["maxInstanceCount"]
    types = [each["instanceType"] for each in group["instanceConfigs"]]
    yield equal("type of the nodes", [nodes.instance_type], types)
    bought = "ONDEMAND" if nodes.capacity_block is None else "CAPACITY_BLOCK"
    yield equal("purchase option of the nodes", bought, group["purchaseOption"])
    template = evidence.id_at("Cluster", "Slurm/LaunchTemplate/Resource")
    yield equal("launch template of the nodes", template, group["customLaunchTemplate"]["id"])
    newest = evidence.described("Cluster", "Slurm/LaunchTemplate/Resource")["LatestVersionNumber"]
    version = group["customLaunchTemplate"]["version"]
    yield equal("version of that template", str(newest), str(version))
    subnets = {subnet["SubnetId"] for subnet in training_subnets(evidence)}
    yield equal("subnets of the nodes", subnets, set(group["subnetIds"]))
    yield from _profile(evidence, groups)


def _name(instance_type: str) -> str:
    return instance_type.replace(".", "-")


def _cluster(evidence: Evidence) -> dict[str, Any]:
    return evidence.described("Cluster", "Slurm/Cluster/Resource")


def _listed(evidence: Evidence, operation: str, key: str, resource_type: str) -> dict[str, Any]:
    """Return the parts of the cluster, by name, as PCS describes each."""
    cluster = _cluster(evidence)["id"]
    rows = evidence.cloud.ask("pcs", operation, clusterIdentifier=cluster)[key]
    return {row["name"]: described(evidence.cloud, resource_type, row["arn"])[0] for row in rows}


def _groups(evidence: Evidence) -> dict[str, Any]:
    return _listed(
        evidence, "list_compute_node_groups", "computeNodeGroups", "AWS::PCS::ComputeNodeGroup"
    )


def _ports(evidence: Evidence, cluster: dict[str, Any]) -> Iterator[Check]:
    """The controller's group admits its members at the documented ports, and nobody else."""
    group = evidence.id_at("Cluster", "Slurm/Group/Resource/Resource")
    yield equal("groups of the controller", [group], cluster["networking"]["securityGroupIds"])
    rules = rules_of(evidence, group)
    for first, last in ((SLURMCTLD_PORT, SLURMDBD_PORT), SRUN_PORTS):
        for egress, direction in ((False, "in"), (True, "out")):
            words = f"Slurm group's rule for itself, TCP {first}-{last}, {direction}"
            yield present(words, there=(egress, "tcp", first, last, group) in rules)
    admitted = {rule[4] for rule in rules if not rule[0]}
    yield equal("peers that the Slurm group admits", {group}, admitted)


def _queue(evidence: Evidence, spec: SlurmSpec, groups: dict[str, Any]) -> Iterator[Check]:
    """The queue has the nodes that train, and no login node."""
    queues = _listed(evidence, "list_queues", "queues", "AWS::PCS::Queue")
    yield equal("queues", [spec.queue], list(queues))
    queue = queues[spec.queue]
    custom = queue.get("slurmConfiguration", {}).get("slurmCustomSettings", [])
    default = {each["parameterName"]: each["parameterValue"] for each in custom}.get("Default")
    yield equal("whether jobs without --partition go to the queue", "YES", default)
    used = [each["computeNodeGroupId"] for each in queue["computeNodeGroupConfigurations"]]
    nodes = groups[_name(evidence.spec.nodes.instance_type)]["id"]
    yield equal("node groups of the queue", [nodes], used)


def _profile(evidence: Evidence, groups: dict[str, Any]) -> Iterator[Check]:
    """Every group has a profile that PCS takes, of a role that may register its nodes."""
    profile = evidence.described("Cluster", "Slurm/NodeRole/Profile/Resource")
    used = {group["iamInstanceProfileArn"] for group in groups.values()}
    yield equal("instance profile of every node group", {profile["Arn"]}, used)
    (role,) = profile["Roles"]
    paths = {profile["Path"], role["Path"]}
    yield equal("path of instance profile and role", {ROLE_PATH}, paths)
    statements = evidence.role_statements(role["RoleName"])
    allowed = REGISTERING in str(statements)
    yield present("the role's leave to register nodes", there=allowed)

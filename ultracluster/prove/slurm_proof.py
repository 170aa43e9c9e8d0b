"""Proofs of Slurm: controller, ports, node groups, queues and logs."""

from collections.abc import Iterator
from typing import Any

from ultracluster.catalogue import slurm as pcs
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG, LAUNCHED
from ultracluster.prove.deployment import described
from ultracluster.prove.network_proof import filtered, rules_of, training_subnets
from ultracluster.prove.proof import Check, Evidence, equal, present, tagged
from ultracluster.spec.nodes import NodesSpec
from ultracluster.spec.queues import ENVIRONMENTS_NODES
from ultracluster.spec.slurm import CpuGroupSpec, SlurmSpec

CLUSTER = "Slurm/Cluster/Resource"
GROUP_TAG = "aws:pcs:compute-node-group-id"
"""By which PCS's instances are found (AWS PCS user guide, "Finding compute node group instances",
read 2026-11-27)."""


def slurm(evidence: Evidence) -> Iterator[Check]:
    """A controller of the right size that its nodes reach; none where none is asked for."""
    spec = evidence.spec.slurm
    if spec is None:
        every = evidence.cloud.ask("pcs", "list_clusters")["clusters"]
        yield equal("Slurm clusters", 0, len(every))
        return
    cluster = evidence.described("Cluster", CLUSTER)
    yield equal("version of Slurm", spec.version, cluster["scheduler"]["version"])
    size = spec.cluster_size(evidence.spec.nodes.total)
    yield equal("size of the Slurm cluster", size, cluster["size"])
    groups = _groups(evidence)
    most = sum(group["scalingConfiguration"]["maxInstanceCount"] for group in groups.values())
    held = pcs.SIZES.get(cluster["size"], 0)
    yield Check("instances that the size manages", f"at least {most}", held, ok=held >= most)
    settings = cluster["slurmConfiguration"]
    idle = settings.get("scaleDownIdleTimeInSeconds")
    yield equal("seconds until an idle node is stopped", spec.idle_seconds, idle)
    mode = "NONE" if spec.accounting_days is None else "STANDARD"
    yield equal("accounting", mode, settings.get("accounting", {}).get("mode"))
    custom = _settings(cluster)
    yield present("a prolog", there="Prolog" in custom)
    accounts = spec.users is not None and spec.users.accounts
    wanted = "associations,limits" if accounts else None
    yield equal("what Slurm demands of jobs", wanted, custom.get("AccountingStorageEnforce"))
    first = training_subnets(evidence)[0]["SubnetId"]
    yield equal("subnet of the controller", [first], cluster["networking"]["subnetIds"])
    yield from _ports(evidence, cluster)
    yield from _queues(evidence, spec, groups)
    yield from _logs(evidence, cluster)
    if spec.login_instance_type is not None:
        yield _login_tags(evidence)


def _login_tags(evidence: Evidence) -> Check:
    """`train --slurm` finds login nodes, and the launcher may command them, by these tags alone."""
    data = evidence.launch_template("Slurm/LoginTemplate/Resource")
    found = {
        tag["Key"]: tag["Value"]
        for each in data.get("TagSpecifications", [])
        for tag in each["Tags"]
        if each["ResourceType"] == "instance"
    }
    wanted = {ENVIRONMENT_TAG: evidence.spec.name, pcs.ROLE_TAG: pcs.LOGIN}
    return equal("tags of login nodes", wanted, {name: found.get(name) for name in wanted})


def node_groups(evidence: Evidence, spec: SlurmSpec) -> Iterator[Check]:
    """Nodes between the least and full size on their template, of every group; login nodes."""
    groups, nodes = _groups(evidence), evidence.spec.nodes
    own = pcs.group_name(nodes.instance_type)
    wanted = {own: (spec.always_running(nodes), nodes.total)}
    wanted |= {each.group_name: (each.least_nodes, each.total) for each in spec.node_groups}
    if spec.login_instance_type is not None:
        login = pcs.group_name(spec.login_instance_type, "login-")
        wanted[login] = (spec.login_nodes, spec.login_nodes)
    found = {
        name: tuple(group["scalingConfiguration"][f"{end}InstanceCount"] for end in ("min", "max"))
        for name, group in groups.items()
    }
    yield equal("node groups, and their fewest and most nodes", wanted, found)
    evidence.facts["nodes"] = groups[own]["scalingConfiguration"]["maxInstanceCount"]
    yield from _running(evidence, groups)
    yield from _node_group(evidence, groups[own], nodes, "LaunchTemplate", "nodes")
    names = {each.group_name: each.name for each in spec.node_groups}
    known = names | {own: ENVIRONMENTS_NODES}
    features = known if names else {}
    found_features = {
        name: f for name, group in groups.items() if (f := _settings(group).get("Features"))
    }
    yield equal("what jobs ask for to have one node group", features, found_features)
    checked = {
        known.get(name, name): found
        for name, group in groups.items()
        if (found := group.get("instanceHealthChecks")) and found != pcs.CHECKS_OFF
    }
    wished = spec.instance_health_checks(nodes)
    yield equal("PCS's own health checks", wished, checked)
    for each in spec.node_groups:
        template, what = f"LaunchTemplate-{each.name}", f"nodes of group {each.name}"
        yield from _node_group(evidence, groups[each.group_name], each, template, what)
    for cpu in spec.cpu:
        yield from _without_fabric(evidence, cpu)
    yield from _profile(evidence, groups)


def _running(evidence: Evidence, groups: dict[str, dict[str, Any]]) -> Iterator[Check]:
    """Each group runs what it always runs; what a budget sees of it is its instances' own tag."""
    own = {"Key": ENVIRONMENT_TAG, "Value": evidence.spec.name}
    for name, group in groups.items():
        filters = {f"tag:{GROUP_TAG}": group["id"], "instance-state-name": "running"}
        rows = filtered(evidence, "describe_instances", "Reservations", **filters)
        every = [each for row in rows for each in row["Instances"]]
        least = group["scalingConfiguration"]["minInstanceCount"]
        good = len(every) >= least
        yield Check(f"instances of {name} that run", f"at least {least}", len(every), ok=good)
        untagged = [e["InstanceId"] for e in every if own not in e.get("Tags", [])]
        yield equal(f"instances of {name} without the environment's tag", [], untagged)


def _node_group(
    evidence: Evidence,
    group: dict[str, Any],
    wanted: NodesSpec | CpuGroupSpec,
    template: str,
    what: str,
) -> Iterator[Check]:
    types = [each["instanceType"] for each in group["instanceConfigs"]]
    yield equal(f"type of the {what}", [wanted.instance_type], types)
    is_block = isinstance(wanted, NodesSpec) and wanted.capacity_block is not None
    bought = "CAPACITY_BLOCK" if is_block else "ONDEMAND"
    yield equal(f"purchase option of the {what}", bought, group["purchaseOption"])
    named, path = group["customLaunchTemplate"], f"Slurm/{template}/Resource"
    yield equal(f"launch template of the {what}", evidence.id_at("Cluster", path), named["id"])
    newest = evidence.described("Cluster", path)["LatestVersionNumber"]
    yield equal(f"version of the template of the {what}", str(newest), str(named["version"]))
    subnets = {subnet["SubnetId"] for subnet in training_subnets(evidence)}
    yield equal(f"subnets of the {what}", subnets, set(group["subnetIds"]))


def _settings(part: dict[str, Any]) -> dict[str, str]:
    """Return the settings of its own that a cluster, a node group or a queue has."""
    rows = part.get("slurmConfiguration", {}).get("slurmCustomSettings", [])
    return {row["parameterName"]: row["parameterValue"] for row in rows}


def _without_fabric(evidence: Evidence, group: CpuGroupSpec) -> Iterator[Check]:
    """A CPU node has one interface, in the groups of ordinary traffic and of Slurm."""
    data = evidence.launch_template(f"Slurm/LaunchTemplate-{group.name}/Resource")
    what = f"nodes of group {group.name}"
    yield equal(f"instance type of the {what}", group.instance_type, data.get("InstanceType"))
    yield equal(f"EFA interfaces of the {what}", [], data.get("NetworkInterfaces", []))
    wanted = {
        evidence.id_at("Network", "Nodes/Resource/Resource"),
        evidence.id_at("Cluster", "Slurm/Group/Resource/Resource"),
    }
    yield equal(f"security groups of the {what}", wanted, set(data.get("SecurityGroupIds", [])))
    words = f"what the {what} launch with the environment's tag"
    yield equal(words, LAUNCHED, tagged(evidence, data))


def _listed(evidence: Evidence, operation: str, key: str, resource_type: str) -> dict[str, Any]:
    """Return the parts of the cluster, by name, as PCS describes each."""
    cluster = evidence.described("Cluster", CLUSTER)["id"]
    rows = evidence.cloud.ask("pcs", operation, clusterIdentifier=cluster)[key]
    return {row["name"]: described(evidence.cloud, resource_type, row["arn"])[0] for row in rows}


def _groups(evidence: Evidence) -> dict[str, Any]:
    kind = "AWS::PCS::ComputeNodeGroup"
    return _listed(evidence, "list_compute_node_groups", "computeNodeGroups", kind)


def _ports(evidence: Evidence, cluster: dict[str, Any]) -> Iterator[Check]:
    """The controller's group admits its members at the documented ports, and nobody else."""
    group = evidence.id_at("Cluster", "Slurm/Group/Resource/Resource")
    yield equal("groups of the controller", [group], cluster["networking"]["securityGroupIds"])
    rules = rules_of(evidence, group)
    for first, last in ((pcs.SLURMCTLD_PORT, pcs.SLURMDBD_PORT), pcs.SRUN_PORTS):
        for egress, direction in ((False, "in"), (True, "out")):
            words = f"Slurm group's rule for itself, TCP {first}-{last}, {direction}"
            yield present(words, there=(egress, "tcp", first, last, group) in rules)
    admitted = {rule[4] for rule in rules if not rule[0]}
    yield equal("peers that the Slurm group admits", {group}, admitted)


def _queues(evidence: Evidence, spec: SlurmSpec, groups: dict[str, Any]) -> Iterator[Check]:
    """Each queue has its groups and its limits, none has login nodes, and one is the default."""
    queues = _listed(evidence, "list_queues", "queues", "AWS::PCS::Queue")
    yield equal("queues", {queue.name for queue in spec.queues}, set(queues))
    ids = {group["id"]: name for name, group in groups.items()}
    names = {each.name: each.group_name for each in spec.node_groups}
    names[ENVIRONMENTS_NODES] = pcs.group_name(evidence.spec.nodes.instance_type)
    for wanted in spec.queues:
        queue = queues[wanted.name]
        found = _settings(queue)
        default = "YES" if wanted.name == spec.queue else None
        words = f"whether jobs without --partition go to the queue {wanted.name}"
        yield equal(words, default, found.pop("Default", None))
        yield equal(f"settings of the queue {wanted.name}", wanted.custom_settings(), found)
        used = [each["computeNodeGroupId"] for each in queue["computeNodeGroupConfigurations"]]
        own = {names[name] for name in wanted.node_groups}
        yield equal(f"node groups of the queue {wanted.name}", own, {ids.get(i, i) for i in used})


def _logs(evidence: Evidence, cluster: dict[str, Any]) -> Iterator[Check]:
    """Every log of the cluster is delivered to a group of the environment's key."""
    ask = evidence.cloud.ask
    sources = {
        each["name"]: each["logType"]
        for each in ask("logs", "describe_delivery_sources")["deliverySources"]
        if cluster["arn"] in each["resourceArns"]
    }
    delivered = ask("logs", "describe_deliveries")["deliveries"]
    found = {sources.get(each["deliverySourceName"]) for each in delivered} - {None}
    yield equal("logs of the cluster that are delivered", set(pcs.LOG_TYPES), found)
    key = evidence.described("Network", "LogKey/Resource/Resource")["Arn"]
    named = f"/pcs/{cluster['id']}/"
    groups = ask("logs", "describe_log_groups", logGroupNamePrefix="/aws/vendedlogs/pcs/")
    keys = [g.get("kmsKeyId") for g in groups["logGroups"] if named in g["logGroupName"]]
    yield equal("keys of the logs of the cluster", [key] * len(pcs.LOG_TYPES), keys)


def _profile(evidence: Evidence, groups: dict[str, Any]) -> Iterator[Check]:
    """Every group has a profile that PCS takes, of a role that may register its nodes."""
    profile = evidence.described("Cluster", "Slurm/NodeRole/Profile/Resource")
    used = {group["iamInstanceProfileArn"] for group in groups.values()}
    yield equal("instance profile of every node group", {profile["Arn"]}, used)
    (role,) = profile["Roles"]
    paths = {profile["Path"], role["Path"]}
    yield equal("path of instance profile and role", {pcs.ROLE_PATH}, paths)
    statements = evidence.role_statements(role["RoleName"])
    allowed = pcs.REGISTERING in str(statements)
    yield present("the role's leave to register nodes", there=allowed)

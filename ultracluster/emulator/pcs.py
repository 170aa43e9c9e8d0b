"""AWS Parallel Computing Service: clusters, compute node groups, queues.

Modelled: names, the limits that cannot be raised (10 node groups and 10 queues a cluster), the
interface in the cluster's subnet, the order of deletion, get and list calls, a group's least
instances (`pcs_nodes.py`), health checks (`pcs_health.py`). Not modelled: the scheduler.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ultracluster.catalogue.slurm import MOST_PARTS, ROLE_PATH, untaken_setting
from ultracluster.emulator import pcs_nodes, wire
from ultracluster.emulator.faults import Faults
from ultracluster.emulator.ministack import network
from ultracluster.emulator.provisioning import (
    LEDGER,
    Order,
    Record,
    Resource,
    Scope,
    ServiceError,
    hexadecimal,
    pcs_refusal,
)

CLUSTER: Final = "AWS::PCS::Cluster"
NODE_GROUP: Final = "AWS::PCS::ComputeNodeGroup"
QUEUE: Final = "AWS::PCS::Queue"
ROLE_NAME: Final = "AWSPCS"
NOWHERE: Final = "255.255.255.255/32"
"""Where the rule leads by which CDK replaces EC2's default rule; taken for no rule here, which is
UNVERIFIED (2026-11-27)."""
KEPT: Final = ("Name", "ClusterId")
"""What a template may leave out, or give by another name, and an update leaves as it is."""
NOUNS: Final = {CLUSTER: "cluster", NODE_GROUP: "computeNodeGroup", QUEUE: "queue"}


@dataclass(frozen=True)
class Parts:
    """One of the three types; `Ref` is the ARN."""

    faults: Faults
    kind: str

    def update(self, physical_id: str, order: Order) -> Resource:
        record = LEDGER.find(order.scope, self.kind, physical_id)
        if record is None:
            raise not_found(NOUNS[self.kind], physical_id)
        cluster_id = record.properties.get("ClusterId", record.physical_id)
        cluster = find_cluster(record.scope, cluster_id)
        _require_settings(self.kind, order.properties, cluster.properties)
        before = record.properties
        kept: dict[str, Any] = {name: before[name] for name in KEPT if name in before}
        record.properties = {**order.properties, **kept}
        pcs_nodes.follow(self.faults, record, before)
        return Resource(physical_id, dict(record.attributes))

    def _made(self, order: Order, parent: str, own: Mapping[str, Any], **state: Any) -> Resource:
        identifier = str(state.setdefault("id", f"pcs_{hexadecimal(10)}"))
        arn = order.scope.arn("pcs", f"{parent}{NOUNS[self.kind].lower()}/{identifier}")
        record = Record(self.kind, arn, order.scope, {**order.properties, **own}, state=state)
        record.attributes = {"Arn": arn, "Id": identifier, "Status": "ACTIVE", "ErrorInfo": []}
        if self.kind == CLUSTER:
            record.attributes["Endpoints"] = []
        LEDGER.keep(record)
        pcs_nodes.follow(self.faults, record, {})
        return Resource(arn, dict(record.attributes))

    def _new_name(self, order: Order, longest: int, siblings: Iterable[Record]) -> str:
        """Return the name that a template gives, or CloudFormation; one that is taken is none."""
        generated = order.generated_name[-longest:].lstrip("-0123456789")
        name = str(order.properties.get("Name") or generated)
        if any(record.properties["Name"] == name for record in siblings):
            raise pcs_refusal("ConflictException", f"{NOUNS[self.kind]} {name} already exists")
        return name


@dataclass(frozen=True)
class Clusters(Parts):
    """`AWS::PCS::Cluster`."""

    kind: str = CLUSTER

    def create(self, order: Order) -> Resource:
        given = dict(order.properties)
        name = self._new_name(order, 40, LEDGER.of_type(order.scope, CLUSTER))
        request = {key: value for key, value in wire.camel(given).items() if key != "name"}
        wire.require_sound("pcs", "CreateCluster", {**request, "clusterName": name})
        networking = given["Networking"]
        subnet = network.required_subnet("Pcs", str(networking["SubnetIds"][0]))
        groups = network.required_groups("Pcs", networking.get("SecurityGroupIds"), subnet)
        _require_outbound(groups)
        _require_settings(CLUSTER, given, given)
        cluster_id = f"pcs_{hexadecimal(10)}"
        interface = network.add_interface(
            str(subnet["SubnetId"]), groups, f"AWS PCS cluster {cluster_id}", "amazon-pcs"
        )
        secret = order.scope.arn("secretsmanager", f"secret:pcs!slurm-secret-{cluster_id}-a1b2c3")
        state = {"authKey": {"secretArn": secret, "secretVersion": "1"}, "interfaces": [interface]}
        return self._made(order, "", {"Name": name}, id=cluster_id, **state)

    def delete(self, physical_id: str, order: Order) -> None:
        record = LEDGER.find(order.scope, CLUSTER, physical_id)
        if record is None:
            return
        cluster_id = record.state["id"]
        if any(children(order.scope, kind, cluster_id) for kind in (NODE_GROUP, QUEUE)):
            words = f"Cluster {cluster_id} still has compute node groups or queues"
            raise pcs_refusal("ConflictException", words)
        network.remove_interfaces(record.state["interfaces"])
        LEDGER.forget(order.scope, CLUSTER, physical_id)


@dataclass(frozen=True)
class Children(Parts):
    """Compute node groups and queues."""

    def create(self, order: Order) -> Resource:
        given = order.properties
        cluster = find_cluster(order.scope, str(given["ClusterId"]))
        cluster_id = cluster.state["id"]
        siblings = children(order.scope, self.kind, cluster_id)
        own = {"Name": self._new_name(order, 25, siblings), "ClusterId": cluster_id}
        if len(siblings) >= MOST_PARTS:
            words = f"A cluster takes at most {MOST_PARTS} of {NOUNS[self.kind]}"
            raise pcs_refusal("ServiceQuotaExceededException", words)
        if self.kind == NODE_GROUP:
            _require_node_group(given)
        _require_settings(self.kind, given, cluster.properties)
        for each in given.get("ComputeNodeGroupConfigurations") or ():
            groups = LEDGER.of_type(order.scope, NODE_GROUP)
            find_record(groups, NODE_GROUP, str(each["ComputeNodeGroupId"]))
        return self._made(order, f"cluster/{cluster_id}/", own)

    def delete(self, physical_id: str, order: Order) -> None:
        """Remove a node group or a queue; a node group that a queue uses is refused."""
        record = LEDGER.find(order.scope, self.kind, physical_id)
        if record is None:
            return
        for queue in LEDGER.of_type(order.scope, QUEUE):
            users = queue.properties.get("ComputeNodeGroupConfigurations") or ()
            if any(each.get("ComputeNodeGroupId") == record.state["id"] for each in users):
                words = f"Compute node group {record.state['id']} is used by a queue"
                raise pcs_refusal("ConflictException", words)
        pcs_nodes.stop(record)
        LEDGER.forget(order.scope, self.kind, physical_id)


def _require_outbound(groups: Sequence[Mapping[str, Any]]) -> None:
    """Refuse groups none of which lets anything out, as CreateCluster does.

    The controller reaches the nodes by its groups: the message is what users of a public Terraform
    module for PCS report (read 2026-11-26).
    """
    rules = [rule for group in groups for rule in group.get("IpPermissionsEgress") or ()]
    if all(NOWHERE in [each["CidrIp"] for each in rule.get("IpRanges", ())] for rule in rules):
        raise refused("At least one security group must have outbound rules")


def _require_settings(kind: str, given: Mapping[str, Any], cluster: Mapping[str, Any]) -> None:
    """Refuse what is not on the allow-list of Slurm's parameters, and an empty list."""
    version = str(cluster["Scheduler"]["Version"])
    settings = (given.get("SlurmConfiguration") or {}).get("SlurmCustomSettings")
    if settings is None:
        return
    if not settings:
        raise refused("slurmCustomSettings must have at least one member")
    for each in settings:
        if why := untaken_setting(kind, str(each["ParameterName"]), version):
            raise refused(f"Slurm custom settings parameter {why}")


def _require_node_group(given: Mapping[str, Any]) -> None:
    for subnet_id in given["SubnetIds"]:
        network.required_subnet("Pcs", str(subnet_id))
    template = (given.get("CustomLaunchTemplate") or {}).get("TemplateId")
    if template is not None and network.find("launch template", str(template)) is None:
        words = f"The specified launch template, with template ID {template}, does not exist"
        raise pcs_refusal("InvalidLaunchTemplateId.NotFound", words)
    _require_role_for_pcs(str(given["IamInstanceProfileArn"]))


def _require_role_for_pcs(profile_arn: str) -> None:
    """Refuse a profile whose role PCS does not take; the profile's own name and path are free.

    CreateComputeNodeGroup, iamInstanceProfileArn (botocore 1.43.106): the role's name starts with
    AWSPCS, or its path is /aws-pcs/.
    """
    name = profile_arn.rsplit("/", 1)[-1]
    profile = network.find("instance profile", name)
    if profile is None or profile.get("Arn") != profile_arn:
        raise refused(f"The instance profile {profile_arn} does not exist")
    roles = [network.find("role", str(each)) for each in profile.get("Roles") or ()]
    if not any(roles):
        raise refused(f"The instance profile {name} has no role")
    for role in filter(None, roles):
        if not str(role["RoleName"]).startswith(ROLE_NAME) and role.get("Path") != ROLE_PATH:
            raise refused(
                f"The role {role['RoleName']} of instance profile {name} must have a name that "
                f"starts with {ROLE_NAME} or the path {ROLE_PATH}"
            )


refused: Final = partial(pcs_refusal, "ValidationException")


def find_record(records: Iterable[Record], kind: str, identifier: str) -> Record:
    """Return a record by its id, name or ARN."""
    for record in records:
        if identifier in (record.state["id"], record.properties["Name"], record.physical_id):
            return record
    raise not_found(NOUNS[kind], identifier)


def find_cluster(scope: Scope, identifier: str) -> Record:
    return find_record(LEDGER.of_type(scope, CLUSTER), CLUSTER, identifier)


def not_found(noun: str, identifier: str) -> ServiceError:
    return pcs_refusal("ResourceNotFoundException", f"The {noun} {identifier} was not found")


def children(scope: Scope, kind: str, cluster_id: str) -> list[Record]:
    return [r for r in LEDGER.of_type(scope, kind) if r.properties["ClusterId"] == cluster_id]


def operations() -> Mapping[str, wire.Operation]:
    """Return the get and list calls."""
    found: dict[str, wire.Operation] = {"ListTagsForResource": _tags}
    for kind in NOUNS:
        name = kind.rpartition("::")[2]
        found[f"Get{name}"] = partial(_get, kind)
        found[f"List{name}s"] = partial(_list, kind)
    return found


def _get(kind: str, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
    identifier = str(arguments[f"{NOUNS[kind]}Identifier"])
    return {NOUNS[kind]: description(find_record(_rows(kind, scope, arguments), kind, identifier))}


def _list(kind: str, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
    return {f"{NOUNS[kind]}s": [description(r) for r in _rows(kind, scope, arguments)]}


def _rows(kind: str, scope: Scope, arguments: wire.Arguments) -> list[Record]:
    """Return all of a kind, of one cluster where it has clusters: names are its own."""
    parent = arguments.get("clusterIdentifier")
    if kind == CLUSTER or not parent:
        return list(LEDGER.of_type(scope, kind))
    return children(scope, kind, find_cluster(scope, str(parent)).state["id"])


def _tags(scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
    for kind in NOUNS:
        record = LEDGER.find(scope, kind, str(arguments["resourceArn"]))
        if record is not None:
            return {"tags": dict(record.properties.get("Tags") or {})}
    raise not_found("resource", str(arguments["resourceArn"]))


def description(record: Record) -> dict[str, Any]:
    shown: dict[str, Any] = wire.camel(record.properties)
    if template := shown.get("customLaunchTemplate"):
        template["id"] = template.pop("templateId")
    if record.type_name == CLUSTER:
        slurm = shown.get("slurmConfiguration") or {}
        shown["slurmConfiguration"] = {**slurm, "authKey": record.state["authKey"]}
        shown["endpoints"] = []
    times = dict.fromkeys(("createdAt", "modifiedAt"), f"{record.created:%Y-%m-%dT%H:%M:%SZ}")
    return {
        **shown,
        **times,
        "id": record.state["id"],
        "arn": record.physical_id,
        "status": "ACTIVE",
        "errorInfo": record.state.get("errors", []),
        "purchaseOption": shown.get("purchaseOption", "ONDEMAND"),
        "instanceHealthChecks": record.state.get("instanceHealthChecks"),
    }

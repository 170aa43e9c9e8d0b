"""Known faults, made in templates of ours: one value each, drawn from all that would be wrong.

Each names the rule that must find it. Values are wrong by the arithmetic written here, not by
asking the rules.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

Resources = dict[str, Any]
"""Resources of one template by logical id."""
Stacks = dict[str, dict[str, Any]]
"""Templates of one environment by stack."""

THROUGHPUTS: Final = (125, 250, 500, 1000)
TYPES: Final = ("interface", "efa", "efa-only")
FABRIC_TYPES: Final = ("efa", "efa-only")


def of(stacks: Stacks, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the resources of a type, of all stacks."""
    for template in stacks.values():
        for resource in template["Resources"].values():
            if resource["Type"] == kind:
                yield resource


def one(stacks: Stacks, kind: str) -> dict[str, Any]:
    """Return the properties of the only resource of a type."""
    (found,) = of(stacks, kind)
    return found["Properties"]


def launch(stacks: Stacks) -> dict[str, Any]:
    """Return what nodes are launched by."""
    return one(stacks, "AWS::EC2::LaunchTemplate")["LaunchTemplateData"]


def lustre(stacks: Stacks) -> dict[str, Any]:
    """Return the file system."""
    return one(stacks, "AWS::FSx::FileSystem")


def remove(stacks: Stacks, kind: str, wanted: Callable[[dict[str, Any]], bool]) -> None:
    """Remove resources of a type, also from what waits for them."""
    for template in stacks.values():
        resources: Resources = template["Resources"]
        gone = {n for n, r in resources.items() if r["Type"] == kind and wanted(r["Properties"])}
        for name in gone:
            del resources[name]
        for resource in resources.values():
            if isinstance(resource.get("DependsOn"), list):
                resource["DependsOn"] = [n for n in resource["DependsOn"] if n not in gone]


Change = Callable[[Stacks, st.DataObject], None]


@dataclass(frozen=True)
class Mutation:
    """One way to break a template, and the rule that must name it."""

    name: str
    rule: str
    change: Change
    applies: Callable[[Stacks], bool] = lambda _stacks: True

    def made(self, stacks: Stacks, data: st.DataObject) -> Stacks:
        """Return broken copies."""
        broken = copy.deepcopy(stacks)
        self.change(broken, data)
        return broken


def _capacity(stacks: Stacks, data: st.DataObject) -> None:
    sizes = st.integers(1, 200_000).filter(lambda n: n not in (1200, 2400) and n % 2400)
    lustre(stacks)["StorageCapacity"] = data.draw(sizes.filter(lambda n: n % 3600))


def _throughput(stacks: Stacks, data: st.DataObject) -> None:
    wrong = st.integers(1, 4000).filter(lambda n: n not in THROUGHPUTS)
    lustre(stacks)["LustreConfiguration"]["PerUnitStorageThroughput"] = data.draw(wrong)


def _interface_type(stacks: Stacks, data: st.DataObject) -> None:
    interfaces = launch(stacks)["NetworkInterfaces"]
    names = st.sampled_from(["efa_only", "EFA", "Efa-Only", "efaonly", "ena"]) | st.text(min_size=1)
    entry = data.draw(st.sampled_from(interfaces))
    entry["InterfaceType"] = data.draw(names.filter(lambda name: name not in TYPES))


def _public_address(stacks: Stacks, data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from(launch(stacks)["NetworkInterfaces"]))
    entry["AssociatePublicIpAddress"] = data.draw(st.sampled_from([True, "true"]))


def _group_name(stacks: Stacks, data: st.DataObject) -> None:
    one(stacks, "AWS::EC2::PlacementGroup")["GroupName"] = data.draw(st.text(min_size=1))


def _no_ingress(stacks: Stacks, _data: st.DataObject) -> None:
    remove(stacks, "AWS::EC2::SecurityGroupIngress", lambda p: p["IpProtocol"] == "-1")


def _no_egress(stacks: Stacks, data: st.DataObject) -> None:
    remove(stacks, "AWS::EC2::SecurityGroupEgress", lambda p: p["IpProtocol"] == "-1")
    if data.draw(st.booleans()):
        # What people write instead, and what does not help.
        for group in of(stacks, "AWS::EC2::SecurityGroup"):
            group["Properties"]["SecurityGroupEgress"] = [
                {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
            ]


def _same_place(stacks: Stacks, data: st.DataObject) -> None:
    interfaces = launch(stacks)["NetworkInterfaces"]
    first, second = data.draw(
        st.lists(st.sampled_from(range(len(interfaces))), min_size=2, max_size=2, unique=True)
    )
    for name in ("NetworkCardIndex", "DeviceIndex"):
        interfaces[first][name] = interfaces[second][name]


def _card(stacks: Stacks, data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from(launch(stacks)["NetworkInterfaces"][1:]))
    entry["NetworkCardIndex"] = data.draw(st.integers(4, 1000))


def _primary(stacks: Stacks, _data: st.DataObject) -> None:
    launch(stacks)["NetworkInterfaces"][0]["InterfaceType"] = "efa-only"


def _left_out(stacks: Stacks, data: st.DataObject) -> None:
    interfaces = launch(stacks)["NetworkInterfaces"]
    fabric = [n for n, e in enumerate(interfaces) if e["InterfaceType"] in FABRIC_TYPES]
    del interfaces[data.draw(st.sampled_from(fabric[1:]))]


def _no_efa(stacks: Stacks, data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        for entry in launch(stacks)["NetworkInterfaces"]:
            entry["InterfaceType"] = "interface"
    else:
        del launch(stacks)["NetworkInterfaces"]


def _template_groups(stacks: Stacks, data: st.DataObject) -> None:
    launch(stacks)["SecurityGroupIds"] = data.draw(
        st.lists(st.just("sg-0123456789abcdef0"), min_size=1, max_size=5)
    )


def _public_subnets(stacks: Stacks, _data: st.DataObject) -> None:
    for subnet in of(stacks, "AWS::EC2::Subnet"):
        subnet["Properties"]["MapPublicIpOnLaunch"] = True


def _zone(stacks: Stacks, data: st.DataObject) -> None:
    zone = data.draw(st.sampled_from(["use1-az3", "use1-az5"]))
    for subnet in of(stacks, "AWS::EC2::Subnet"):
        subnet["Properties"]["AvailabilityZoneId"] = zone


def _nodes(stacks: Stacks, data: st.DataObject) -> None:
    one(stacks, "AWS::AutoScaling::AutoScalingGroup")["MaxSize"] = str(
        data.draw(st.integers(70_000, 1_000_000))
    )


def _names(stacks: Stacks, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["EnableDnsSupport", "EnableDnsHostnames"]))
    one(stacks, "AWS::EC2::VPC")[name] = False


def _ports(stacks: Stacks, data: st.DataObject) -> None:
    port = data.draw(st.sampled_from([988, 1018]))
    remove(stacks, "AWS::EC2::SecurityGroupIngress", lambda p: p.get("FromPort") == port)


def _waits(stacks: Stacks, data: st.DataObject) -> None:
    (system,) = of(stacks, "AWS::FSx::FileSystem")
    rules = [name for name in system["DependsOn"] if "988In" in name and "Servers" in name]
    system["DependsOn"].remove(data.draw(st.sampled_from(rules)))


def _backups(stacks: Stacks, data: st.DataObject) -> None:
    lustre(stacks)["LustreConfiguration"]["AutomaticBackupRetentionDays"] = data.draw(
        st.integers(1, 90)
    )


def _log_group(stacks: Stacks, data: st.DataObject) -> None:
    for group in of(stacks, "AWS::Logs::LogGroup"):
        names = st.text(min_size=1).filter(lambda name: not name.startswith("/aws/fsx/"))
        group["Properties"]["LogGroupName"] = data.draw(names)


def _subnets(stacks: Stacks, data: st.DataObject) -> None:
    lustre(stacks)["SubnetIds"] *= data.draw(st.integers(2, 5))


def _import_path(stacks: Stacks, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["ImportPath", "ExportPath"]))
    lustre(stacks)["LustreConfiguration"][name] = "s3://data"


def _kept(stacks: Stacks, data: st.DataObject) -> None:
    kept = [
        r
        for kind in ("AWS::FSx::FileSystem", "AWS::KMS::Key")
        for r in of(stacks, kind)
        if r.get("DeletionPolicy", "").startswith("Retain")
    ]
    resource = data.draw(st.sampled_from(kept))
    if data.draw(st.booleans()):
        resource["UpdateReplacePolicy"] = "Delete"
    else:
        del resource["UpdateReplacePolicy"]


def _key(stacks: Stacks, _data: st.DataObject) -> None:
    for key in of(stacks, "AWS::KMS::Key"):
        key["DeletionPolicy"] = "Delete"


def _tokens(stacks: Stacks, _data: st.DataObject) -> None:
    launch(stacks)["MetadataOptions"]["HttpTokens"] = "optional"


def _volume(stacks: Stacks, _data: st.DataObject) -> None:
    launch(stacks)["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] = False


def _reserved_type(stacks: Stacks, data: st.DataObject) -> None:
    one(stacks, "AWS::EC2::CapacityReservation")["InstanceType"] = data.draw(
        st.sampled_from(["p4de.24xlarge", "p5.48xlarge", "p4d.24xlrge"])
    )


def _reserved_zone(stacks: Stacks, data: st.DataObject) -> None:
    one(stacks, "AWS::EC2::CapacityReservation")["AvailabilityZoneId"] = data.draw(
        st.sampled_from(["use1-az1", "use1-az2", "use1-az4"])
    )


def _reserved_size(stacks: Stacks, data: st.DataObject) -> None:
    reservation = one(stacks, "AWS::EC2::CapacityReservation")
    reservation["InstanceCount"] = data.draw(st.integers(1, reservation["InstanceCount"] - 1))


def _reserved_group(stacks: Stacks, _data: st.DataObject) -> None:
    del one(stacks, "AWS::EC2::CapacityReservation")["PlacementGroupArn"]


def _trust(stacks: Stacks, _data: st.DataObject) -> None:
    for role in of(stacks, "AWS::IAM::Role"):
        for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
            statement.pop("Condition", None)


def _pass_role(stacks: Stacks, _data: st.DataObject) -> None:
    for policy in of(stacks, "AWS::IAM::ManagedPolicy"):
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            if statement["Action"] == "iam:PassRole":
                statement["Resource"] = "*"
                del statement["Condition"]


def _script(stacks: Stacks, data: st.DataObject) -> None:
    commands = ["yum -y update", "dnf upgrade -y", "apt-get -y upgrade"]
    launch(stacks)["UserData"] = {
        "Fn::Base64": f"#!/bin/bash\n{data.draw(st.sampled_from(commands))}\n"
    }


def _has_reservation(stacks: Stacks) -> bool:
    return any(of(stacks, "AWS::EC2::CapacityReservation"))


def _has_associations(stacks: Stacks) -> bool:
    return any(of(stacks, "AWS::FSx::DataRepositoryAssociation"))


def _persistent(stacks: Stacks) -> bool:
    return bool(lustre(stacks)["LustreConfiguration"]["DeploymentType"] == "PERSISTENT_2")


def _keeps(stacks: Stacks) -> bool:
    (system,) = of(stacks, "AWS::FSx::FileSystem")
    return bool(system["DeletionPolicy"].startswith("Retain")) and "KmsKeyId" in lustre(stacks)


MUTATIONS: Final = (
    Mutation("a capacity that is not sold", "LUSTRE-1", _capacity),
    Mutation("a throughput that is not sold", "LUSTRE-2", _throughput, _persistent),
    Mutation("a misspelt interface type", "FABRIC-4", _interface_type),
    Mutation("a public address beside several interfaces", "FABRIC-9", _public_address),
    Mutation("a name of a placement group", "CAPACITY-2", _group_name),
    Mutation("a fabric group without ingress", "FABRIC-1", _no_ingress),
    Mutation("a fabric group without egress", "FABRIC-2", _no_egress),
    Mutation("two interfaces in one place", "FABRIC-6", _same_place),
    Mutation("a card that is not there", "FABRIC-7", _card),
    Mutation("a primary interface without address", "FABRIC-5", _primary),
    Mutation("a card left out", "FABRIC-13", _left_out),
    Mutation("no EFA at all", "FABRIC-14", _no_efa),
    Mutation("groups beside interfaces", "FABRIC-11", _template_groups),
    Mutation("public subnets", "FABRIC-10", _public_subnets),
    Mutation("a zone without the type", "CAPACITY-5", _zone),
    Mutation("more nodes than addresses", "FABRIC-17", _nodes),
    Mutation("no DNS", "FABRIC-16", _names),
    Mutation("a Lustre port closed", "LUSTRE-13", _ports),
    Mutation("a rule that nothing waits for", "LUSTRE-15", _waits),
    Mutation("backups beside associations", "LUSTRE-20", _backups, _has_associations),
    Mutation("a log group elsewhere", "LUSTRE-11", _log_group),
    Mutation("several subnets", "LUSTRE-10", _subnets),
    Mutation("an import path", "LUSTRE-6", _import_path, _persistent),
    Mutation("data lost in an update", "SAFETY-2", _kept, _keeps),
    Mutation("a key that goes first", "SAFETY-3", _key, _keeps),
    Mutation("IMDSv1", "SAFETY-7", _tokens),
    Mutation("an open volume", "SAFETY-8", _volume),
    Mutation("a reservation of another type", "CAPACITY-14", _reserved_type, _has_reservation),
    Mutation("a reservation in another zone", "CAPACITY-15", _reserved_zone, _has_reservation),
    Mutation("a reservation that is too small", "CAPACITY-16", _reserved_size, _has_reservation),
    Mutation("a reservation outside the group", "CAPACITY-9", _reserved_group, _has_reservation),
    Mutation("a confused deputy", "SAGEMAKER-16", _trust),
    Mutation("any role passed", "SAGEMAKER-17", _pass_role),
    Mutation("an upgrade at boot", "SAFETY-11", _script),
)

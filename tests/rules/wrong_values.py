"""Ways to make one value of a template wrong, drawn from all that would be.

Values are wrong by the arithmetic written here, not by asking the rules.
"""

from collections.abc import Callable, Iterator
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


def capacity(stacks: Stacks, data: st.DataObject) -> None:
    sizes = st.integers(1, 200_000).filter(lambda n: n not in (1200, 2400) and n % 2400)
    lustre(stacks)["StorageCapacity"] = data.draw(sizes.filter(lambda n: n % 3600))


def throughput(stacks: Stacks, data: st.DataObject) -> None:
    wrong = st.integers(1, 4000).filter(lambda n: n not in THROUGHPUTS)
    lustre(stacks)["LustreConfiguration"]["PerUnitStorageThroughput"] = data.draw(wrong)


def interface_type(stacks: Stacks, data: st.DataObject) -> None:
    interfaces = launch(stacks)["NetworkInterfaces"]
    names = st.sampled_from(["efa_only", "EFA", "Efa-Only", "efaonly", "ena"]) | st.text(min_size=1)
    entry = data.draw(st.sampled_from(interfaces))
    entry["InterfaceType"] = data.draw(names.filter(lambda name: name not in TYPES))


def public_address(stacks: Stacks, data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from(launch(stacks)["NetworkInterfaces"]))
    entry["AssociatePublicIpAddress"] = data.draw(st.sampled_from([True, "true"]))


def group_name(stacks: Stacks, data: st.DataObject) -> None:
    one(stacks, "AWS::EC2::PlacementGroup")["GroupName"] = data.draw(st.text(min_size=1))


def no_ingress(stacks: Stacks, _data: st.DataObject) -> None:
    remove(stacks, "AWS::EC2::SecurityGroupIngress", lambda p: p["IpProtocol"] == "-1")


def no_egress(stacks: Stacks, data: st.DataObject) -> None:
    remove(stacks, "AWS::EC2::SecurityGroupEgress", lambda p: p["IpProtocol"] == "-1")
    if data.draw(st.booleans()):
        # What people write instead, and what does not help.
        for group in of(stacks, "AWS::EC2::SecurityGroup"):
            group["Properties"]["SecurityGroupEgress"] = [
                {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
            ]


def same_place(stacks: Stacks, data: st.DataObject) -> None:
    interfaces = launch(stacks)["NetworkInterfaces"]
    first, second = data.draw(
        st.lists(st.sampled_from(range(len(interfaces))), min_size=2, max_size=2, unique=True)
    )
    for name in ("NetworkCardIndex", "DeviceIndex"):
        interfaces[first][name] = interfaces[second][name]


def card(stacks: Stacks, data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from(launch(stacks)["NetworkInterfaces"][1:]))
    entry["NetworkCardIndex"] = data.draw(st.integers(4, 1000))


def primary(stacks: Stacks, _data: st.DataObject) -> None:
    launch(stacks)["NetworkInterfaces"][0]["InterfaceType"] = "efa-only"


def left_out(stacks: Stacks, data: st.DataObject) -> None:
    interfaces = launch(stacks)["NetworkInterfaces"]
    fabric = [n for n, e in enumerate(interfaces) if e["InterfaceType"] in FABRIC_TYPES]
    del interfaces[data.draw(st.sampled_from(fabric[1:]))]


def no_efa(stacks: Stacks, data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        for entry in launch(stacks)["NetworkInterfaces"]:
            entry["InterfaceType"] = "interface"
    else:
        del launch(stacks)["NetworkInterfaces"]


def template_groups(stacks: Stacks, data: st.DataObject) -> None:
    launch(stacks)["SecurityGroupIds"] = data.draw(
        st.lists(st.just("sg-0123456789abcdef0"), min_size=1, max_size=5)
    )


def public_subnets(stacks: Stacks, _data: st.DataObject) -> None:
    for subnet in of(stacks, "AWS::EC2::Subnet"):
        subnet["Properties"]["MapPublicIpOnLaunch"] = True


def zone(stacks: Stacks, data: st.DataObject) -> None:
    zone = data.draw(st.sampled_from(["use1-az3", "use1-az5"]))
    for subnet in of(stacks, "AWS::EC2::Subnet"):
        subnet["Properties"]["AvailabilityZoneId"] = zone


def nodes(stacks: Stacks, data: st.DataObject) -> None:
    one(stacks, "AWS::AutoScaling::AutoScalingGroup")["MaxSize"] = str(
        data.draw(st.integers(70_000, 1_000_000))
    )


def names(stacks: Stacks, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["EnableDnsSupport", "EnableDnsHostnames"]))
    one(stacks, "AWS::EC2::VPC")[name] = False


def ports(stacks: Stacks, data: st.DataObject) -> None:
    port = data.draw(st.sampled_from([988, 1018]))
    remove(stacks, "AWS::EC2::SecurityGroupIngress", lambda p: p.get("FromPort") == port)


def waits(stacks: Stacks, data: st.DataObject) -> None:
    (system,) = of(stacks, "AWS::FSx::FileSystem")
    rules = [name for name in system["DependsOn"] if "988In" in name and "Servers" in name]
    system["DependsOn"].remove(data.draw(st.sampled_from(rules)))


def backups(stacks: Stacks, data: st.DataObject) -> None:
    lustre(stacks)["LustreConfiguration"]["AutomaticBackupRetentionDays"] = data.draw(
        st.integers(1, 90)
    )


def log_group(stacks: Stacks, data: st.DataObject) -> None:
    for group in of(stacks, "AWS::Logs::LogGroup"):
        names = st.text(min_size=1).filter(lambda name: not name.startswith("/aws/fsx/"))
        group["Properties"]["LogGroupName"] = data.draw(names)


def subnets(stacks: Stacks, data: st.DataObject) -> None:
    lustre(stacks)["SubnetIds"] *= data.draw(st.integers(2, 5))


def import_path(stacks: Stacks, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["ImportPath", "ExportPath"]))
    lustre(stacks)["LustreConfiguration"][name] = "s3://data"


def kept(stacks: Stacks, data: st.DataObject) -> None:
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


def key(stacks: Stacks, _data: st.DataObject) -> None:
    for key in of(stacks, "AWS::KMS::Key"):
        key["DeletionPolicy"] = "Delete"


def tokens(stacks: Stacks, _data: st.DataObject) -> None:
    launch(stacks)["MetadataOptions"]["HttpTokens"] = "optional"


def volume(stacks: Stacks, _data: st.DataObject) -> None:
    launch(stacks)["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] = False


def reserved_type(stacks: Stacks, data: st.DataObject) -> None:
    one(stacks, "AWS::EC2::CapacityReservation")["InstanceType"] = data.draw(
        st.sampled_from(["p4de.24xlarge", "p5.48xlarge", "p4d.24xlrge"])
    )


def reserved_zone(stacks: Stacks, data: st.DataObject) -> None:
    one(stacks, "AWS::EC2::CapacityReservation")["AvailabilityZoneId"] = data.draw(
        st.sampled_from(["use1-az1", "use1-az2", "use1-az4"])
    )


def reserved_size(stacks: Stacks, data: st.DataObject) -> None:
    reservation = one(stacks, "AWS::EC2::CapacityReservation")
    reservation["InstanceCount"] = data.draw(st.integers(1, reservation["InstanceCount"] - 1))


def reserved_group(stacks: Stacks, _data: st.DataObject) -> None:
    del one(stacks, "AWS::EC2::CapacityReservation")["PlacementGroupArn"]


def trust(stacks: Stacks, _data: st.DataObject) -> None:
    for role in of(stacks, "AWS::IAM::Role"):
        for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
            statement.pop("Condition", None)


def pass_role(stacks: Stacks, _data: st.DataObject) -> None:
    for policy in of(stacks, "AWS::IAM::ManagedPolicy"):
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            if statement["Action"] == "iam:PassRole":
                statement["Resource"] = "*"
                del statement["Condition"]


def script(stacks: Stacks, data: st.DataObject) -> None:
    commands = ["yum -y update", "dnf upgrade -y", "apt-get -y upgrade"]
    launch(stacks)["UserData"] = {
        "Fn::Base64": f"#!/bin/bash\n{data.draw(st.sampled_from(commands))}\n"
    }

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
    """Return what nodes are launched by; login nodes have no interfaces of their own."""
    made = [r["Properties"]["LaunchTemplateData"] for r in of(stacks, "AWS::EC2::LaunchTemplate")]
    (nodes_of,) = (data for data in made if "NetworkInterfaces" in data)
    found: dict[str, Any] = nodes_of
    return found


def scales(stacks: Stacks) -> bool:
    """Whether an Auto Scaling group launches the nodes, and not Slurm."""
    return any(of(stacks, "AWS::AutoScaling::AutoScalingGroup"))


def node_group(stacks: Stacks) -> dict[str, Any]:
    """Return what launches the nodes of an environment with Slurm."""
    kind = {"InstanceType": launch(stacks)["InstanceType"]}
    groups = (r["Properties"] for r in of(stacks, "AWS::PCS::ComputeNodeGroup"))
    (found,) = (group for group in groups if kind in group["InstanceConfigs"])
    return found


def at_most(stacks: Stacks, count: int) -> None:
    """Let so many nodes be launched."""
    if scales(stacks):
        one(stacks, "AWS::AutoScaling::AutoScalingGroup")["MaxSize"] = str(count)
    else:
        node_group(stacks)["ScalingConfiguration"]["MaxInstanceCount"] = count


def of_type(stacks: Stacks, name: str) -> None:
    """Let nodes be of another type."""
    if not scales(stacks):
        node_group(stacks)["InstanceConfigs"] = [{"InstanceType": name}]
    launch(stacks)["InstanceType"] = name


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
    at_most(stacks, data.draw(st.integers(70_000, 1_000_000)))


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


def _rules(stacks: Stacks, kind: str, wanted: Callable[[dict[str, Any]], bool]) -> list[Any]:
    return [r["Properties"] for r in of(stacks, kind) if wanted(r["Properties"])]


def _fabric(properties: dict[str, Any]) -> bool:
    return bool(properties["IpProtocol"] == "-1")


def fabric_by_block(stacks: Stacks, data: st.DataObject) -> None:
    """The rule is there, and names addresses where EFA needs a group."""
    for rule in _rules(stacks, "AWS::EC2::SecurityGroupIngress", _fabric):
        del rule["SourceSecurityGroupId"]
        rule["CidrIp"] = data.draw(st.sampled_from(["10.0.0.0/8", "0.0.0.0/0", "10.1.0.0/16"]))


def fabric_by_port(stacks: Stacks, data: st.DataObject) -> None:
    """The rule names the group, and lets TCP pass alone."""
    kind = data.draw(st.sampled_from(["Ingress", "Egress"]))
    for rule in _rules(stacks, f"AWS::EC2::SecurityGroup{kind}", _fabric):
        rule |= {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535}


def fabric_of_another(stacks: Stacks, data: st.DataObject) -> None:
    kind, peer = data.draw(
        st.sampled_from(
            [("Ingress", "SourceSecurityGroupId"), ("Egress", "DestinationSecurityGroupId")]
        )
    )
    for rule in _rules(stacks, f"AWS::EC2::SecurityGroup{kind}", _fabric):
        rule[peer] = "sg-0123456789abcdef0"


def world_open(stacks: Stacks, data: st.DataObject) -> None:
    block = data.draw(st.sampled_from(["0.0.0.0/0"]))
    for template in stacks.values():
        for resource in list(template["Resources"].values()):
            if resource["Type"] == "AWS::EC2::SecurityGroupIngress" and _fabric(
                resource["Properties"]
            ):
                rule = {"GroupId": resource["Properties"]["GroupId"], "IpProtocol": "-1"}
                template["Resources"]["Open"] = {
                    "Type": "AWS::EC2::SecurityGroupIngress",
                    "Properties": {**rule, "CidrIp": block},
                }


def second_device(stacks: Stacks, data: st.DataObject) -> None:
    """A second EFA device of a card, at a place of its own."""
    interfaces = launch(stacks)["NetworkInterfaces"]
    entry = data.draw(st.sampled_from(interfaces[1:]))
    entry["NetworkCardIndex"] = 0 if entry["NetworkCardIndex"] else 1
    entry["DeviceIndex"] = data.draw(st.integers(2, 14))
    entry["InterfaceType"] = "efa"
    for other in interfaces:
        if other is not entry and other["NetworkCardIndex"] == entry["NetworkCardIndex"]:
            other["InterfaceType"] = "efa"


def of_fabric_alone(stacks: Stacks) -> list[dict[str, Any]]:
    """Return the interfaces of nodes that have no address."""
    return [e for e in launch(stacks)["NetworkInterfaces"] if e["InterfaceType"] == "efa-only"]


def address(stacks: Stacks, data: st.DataObject) -> None:
    fabric = of_fabric_alone(stacks)
    entry = data.draw(st.sampled_from(fabric))
    name, value = data.draw(
        st.sampled_from(
            [
                ("PrivateIpAddress", "10.0.0.9"),
                ("SecondaryPrivateIpAddressCount", 2),
                ("Ipv6AddressCount", 1),
            ]
        )
    )
    entry[name] = value


def bare_interface(stacks: Stacks, data: st.DataObject) -> None:
    del data.draw(st.sampled_from(launch(stacks)["NetworkInterfaces"]))["Groups"]


def many_groups(stacks: Stacks, data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from(launch(stacks)["NetworkInterfaces"]))
    count = data.draw(st.integers(4, 16))
    entry["Groups"] = [*entry["Groups"], *(f"sg-{n:017x}" for n in range(count))]


def two_zones(stacks: Stacks, data: st.DataObject) -> None:
    """The group launches into a second subnet, of another zone."""
    zone = data.draw(st.sampled_from(["use1-az1", "use1-az2", "use1-az4"]))
    stacks["Cluster"]["Resources"]["Elsewhere"] = {
        "Type": "AWS::EC2::Subnet",
        "Properties": {
            "VpcId": "vpc-0123456789abcdef0",
            "CidrBlock": "10.9.0.0/20",
            "AvailabilityZoneId": zone,
        },
    }
    if scales(stacks):
        one(stacks, "AWS::AutoScaling::AutoScalingGroup")["VPCZoneIdentifier"].append(
            {"Ref": "Elsewhere"}
        )
    else:
        node_group(stacks)["SubnetIds"].append({"Ref": "Elsewhere"})


def strategy(stacks: Stacks, data: st.DataObject) -> None:
    one(stacks, "AWS::EC2::PlacementGroup")["Strategy"] = data.draw(
        st.sampled_from(["spread", "partition"])
    )


def cpu_options(stacks: Stacks, data: st.DataObject) -> None:
    launch(stacks)["CpuOptions"] = data.draw(
        st.sampled_from(
            [
                {"CoreCount": 48},
                {"ThreadsPerCore": 1},
                {"CoreCount": 96, "ThreadsPerCore": 1},
                {"CoreCount": 48, "ThreadsPerCore": 4},
            ]
        )
    )


def protected(stacks: Stacks, data: st.DataObject) -> None:
    one(stacks, "AWS::AutoScaling::AutoScalingGroup")["NewInstancesProtectedFromScaleIn"] = (
        data.draw(st.sampled_from([True, "true"]))
    )


def without_efa(stacks: Stacks, data: st.DataObject) -> None:
    of_type(
        stacks, data.draw(st.sampled_from(["g5.xlarge", "m5.large", "g6.4xlarge", "c5n.xlarge"]))
    )


def other_type(stacks: Stacks, data: st.DataObject) -> None:
    of_type(stacks, data.draw(st.sampled_from(["p5.48xlarge", "p5en.48xlarge", "trn1.32xlarge"])))


def preference(stacks: Stacks, data: st.DataObject) -> None:
    specification = launch(stacks)["CapacityReservationSpecification"]
    specification["CapacityReservationPreference"] = data.draw(st.sampled_from(["open", "none"]))


def market(stacks: Stacks, _data: st.DataObject) -> None:
    launch(stacks)["InstanceMarketOptions"] = {"MarketType": "capacity-block"}


def reserved_count(stacks: Stacks, data: st.DataObject) -> None:
    one(stacks, "AWS::EC2::CapacityReservation")["InstanceCount"] = data.draw(
        st.integers(1001, 100_000) | st.integers(-5, 0)
    )


def reserved_end(stacks: Stacks, data: st.DataObject) -> None:
    reservation = one(stacks, "AWS::EC2::CapacityReservation")
    if data.draw(st.booleans()):
        reservation["EndDateType"] = "limited"
    else:
        reservation["EndDate"] = "2027-01-01T00:00:00Z"


def reserved_and_lost(stacks: Stacks, _data: st.DataObject) -> None:
    """Let the reservation go with its stack."""
    (reservation,) = of(stacks, "AWS::EC2::CapacityReservation")
    del reservation["DeletionPolicy"]


def reserved_for_anybody(stacks: Stacks, data: st.DataObject) -> None:
    reservation = one(stacks, "AWS::EC2::CapacityReservation")
    if data.draw(st.booleans()):
        reservation["InstanceMatchCriteria"] = "open"
    else:
        del reservation["InstanceMatchCriteria"]


def no_throughput(stacks: Stacks, _data: st.DataObject) -> None:
    del lustre(stacks)["LustreConfiguration"]["PerUnitStorageThroughput"]


def storage_type(stacks: Stacks, data: st.DataObject) -> None:
    system = lustre(stacks)
    kinds = ["HDD", "NVME", "ssd"]
    if system["LustreConfiguration"]["DeploymentType"] != "PERSISTENT_2":
        kinds.append("INTELLIGENT_TIERING")
    system["StorageType"] = data.draw(st.sampled_from(kinds))


def deployment_type(stacks: Stacks, data: st.DataObject) -> None:
    lustre(stacks)["LustreConfiguration"]["DeploymentType"] = data.draw(
        st.sampled_from(["PERSISTENT_3", "SCRATCH", "PERSISTENT"])
    )


def metadata_iops(stacks: Stacks, data: st.DataObject) -> None:
    right = {1500, 3000, 6000, *range(12000, 192001, 12000)}
    lustre(stacks)["LustreConfiguration"]["MetadataConfiguration"] = {
        "Mode": "USER_PROVISIONED",
        "Iops": data.draw(st.integers(1, 300_000).filter(lambda n: n not in right)),
    }


def drive_cache(stacks: Stacks, data: st.DataObject) -> None:
    name, value = data.draw(
        st.sampled_from([("DriveCacheType", "READ"), ("ThroughputCapacity", 4000)])
    )
    lustre(stacks)["LustreConfiguration"][name] = value


def long_backups(stacks: Stacks, data: st.DataObject) -> None:
    days = data.draw(st.integers(91, 4000))
    lustre(stacks)["LustreConfiguration"]["AutomaticBackupRetentionDays"] = days


def scratch_key(stacks: Stacks, data: st.DataObject) -> None:
    lustre(stacks)["KmsKeyId"] = data.draw(
        st.sampled_from(["alias/data", "arn:aws:kms:us-east-1:1:key/a"])
    )


def old_lustre(stacks: Stacks, data: st.DataObject) -> None:
    lustre(stacks)["FileSystemTypeVersion"] = data.draw(st.sampled_from(["2.10", "2.12"]))


def overlapping(stacks: Stacks, data: st.DataObject) -> None:
    first, second = (r["Properties"] for r in of(stacks, "AWS::FSx::DataRepositoryAssociation"))
    path = first["FileSystemPath"]
    second["FileSystemPath"] = data.draw(st.sampled_from([path, f"{path}/inner", f"{path}/"]))


def ports_out(stacks: Stacks, data: st.DataObject) -> None:
    port = data.draw(st.sampled_from([988, 1018]))
    remove(stacks, "AWS::EC2::SecurityGroupEgress", lambda p: p.get("FromPort") == port)


def some_ports(stacks: Stacks, data: st.DataObject) -> None:
    """The ports of an older guide."""
    kind = data.draw(st.sampled_from(["Ingress", "Egress"]))
    for rule in _rules(
        stacks, f"AWS::EC2::SecurityGroup{kind}", lambda p: p.get("FromPort") == 1018
    ):
        rule["FromPort"] = 1021


def _of_clients(stacks: Stacks, part: str) -> None:
    """Remove the rules between clients and servers of one direction, by their names."""
    for template in stacks.values():
        resources: Resources = template["Resources"]
        for name in [n for n in resources if part in n]:
            del resources[name]
        for resource in resources.values():
            if isinstance(resource.get("DependsOn"), list):
                resource["DependsOn"] = [n for n in resource["DependsOn"] if n in resources]


def clients_in(stacks: Stacks, data: st.DataObject) -> None:
    """Nodes may not reach the file system, at one of both ends."""
    ends = ["988In", "988Out", "1018In", "1018Out"]
    _of_clients(stacks, f"FromClient0{data.draw(st.sampled_from(ends))}")


def clients_out(stacks: Stacks, data: st.DataObject) -> None:
    """The file system may not reach the nodes, at one of both ends."""
    ends = ["988In", "988Out", "1018In", "1018Out"]
    _of_clients(stacks, f"ToClient0{data.draw(st.sampled_from(ends))}")


def undecided(stacks: Stacks, _data: st.DataObject) -> None:
    (system,) = of(stacks, "AWS::FSx::FileSystem")
    system.pop("DeletionPolicy", None)
    system.pop("UpdateReplacePolicy", None)


def group_left_behind(stacks: Stacks, data: st.DataObject) -> None:
    groups = [r for r in of(stacks, "AWS::EC2::SecurityGroup") if "DeletionPolicy" in r]
    group = data.draw(st.sampled_from(groups))
    del group["DeletionPolicy"]


def fetched(stacks: Stacks, data: st.DataObject) -> None:
    commands = [
        "curl -fsSL https://get.docker.com | sh",
        "wget https://developer.download.nvidia.com/cuda.run",
        "git clone https://github.com/NVIDIA/nccl-tests",
        "pip install torch",
        "python3 -m pip install torch==2.9",
    ]
    launch(stacks)["UserData"] = {
        "Fn::Base64": f"#!/bin/bash\n{data.draw(st.sampled_from(commands))}\n"
    }


def newest(stacks: Stacks, data: st.DataObject) -> None:
    launch(stacks)["ImageId"] = data.draw(
        st.sampled_from(
            [
                "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
                "{{resolve:ssm:/aws/service/eks/optimized-ami/1.33/amazon-linux-2/recommended/id}}",
            ]
        )
    )


def administrator(stacks: Stacks, data: st.DataObject) -> None:
    roles = [
        r["Properties"]
        for r in of(stacks, "AWS::IAM::Role")
        if any(
            name in str(r["Properties"]["AssumeRolePolicyDocument"])
            for name in ("sagemaker.amazonaws.com", "ec2.amazonaws.com")
        )
    ]
    policy = data.draw(st.sampled_from(["AdministratorAccess", "PowerUserAccess"]))
    data.draw(st.sampled_from(roles))["ManagedPolicyArns"] = [
        {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::aws:policy/{policy}"}
    ]


def too_small(stacks: Stacks, data: st.DataObject) -> None:
    for subnet in of(stacks, "AWS::EC2::Subnet"):
        subnet["Properties"]["CidrBlock"] = data.draw(st.sampled_from(["10.0.0.0/29"]))
    at_most(stacks, 16)


def mixed_types(stacks: Stacks, data: st.DataObject) -> None:
    other = data.draw(st.sampled_from(["p4de.24xlarge", "p5.48xlarge"]))
    if not scales(stacks):
        node_group(stacks)["InstanceConfigs"].append({"InstanceType": other})
        return
    group = one(stacks, "AWS::AutoScaling::AutoScalingGroup")
    group["MixedInstancesPolicy"] = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": group.pop("LaunchTemplate"),
            "Overrides": [{"InstanceType": "p4d.24xlarge"}, {"InstanceType": other}],
        }
    }

"""Small good templates, for the fixtures of rules to change.

Each is as small as a template of its kind can be and still be right, so that a change of one value
is the only thing that a rule can be talking about.
"""

from typing import Any, Final


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def att(name: str, attribute: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, attribute]}


def resource(kind: str, properties: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties} | attributes


KEPT: Final = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


def rules_between(group: str, peer: str, name: str, **traffic: Any) -> dict[str, Any]:
    """Return a pair of rules, of their own, from a group to a peer."""
    traffic = traffic or {"IpProtocol": "-1"}
    return {
        f"{name}In": resource(
            "AWS::EC2::SecurityGroupIngress",
            {
                "GroupId": att(peer, "GroupId"),
                "SourceSecurityGroupId": att(group, "GroupId"),
                **traffic,
            },
        ),
        f"{name}Out": resource(
            "AWS::EC2::SecurityGroupEgress",
            {
                "GroupId": att(group, "GroupId"),
                "DestinationSecurityGroupId": att(peer, "GroupId"),
                **traffic,
            },
        ),
    }


def group(**properties: Any) -> dict[str, Any]:
    return resource(
        "AWS::EC2::SecurityGroup",
        {"GroupDescription": "g", "VpcId": ref("Vpc"), **properties},
        **KEPT,
    )


def subnet(zone: str, block: str) -> dict[str, Any]:
    return resource(
        "AWS::EC2::Subnet",
        {"VpcId": ref("Vpc"), "AvailabilityZoneId": zone, "CidrBlock": block},
        **KEPT,
    )


NETWORK: Final = {
    "Vpc": resource(
        "AWS::EC2::VPC",
        {"CidrBlock": "10.0.0.0/16", "EnableDnsSupport": True, "EnableDnsHostnames": True},
    ),
    "Near": subnet("use1-az6", "10.0.0.0/20"),
    "Beside": subnet("use1-az6", "10.0.32.0/20"),
    "Far": subnet("use1-az4", "10.0.16.0/20"),
    "Fabric": group(),
    **rules_between("Fabric", "Fabric", "Fabric"),
}

INTERFACES: Final = [
    {
        "NetworkCardIndex": card,
        "DeviceIndex": device,
        "InterfaceType": kind,
        "Groups": [att("Fabric", "GroupId")],
    }
    for card, device, kind in (
        (0, 0, "interface"),
        (0, 1, "efa-only"),
        (1, 0, "efa-only"),
        (2, 0, "efa-only"),
        (3, 0, "efa-only"),
    )
]
CLASSIC: Final = [
    {
        "NetworkCardIndex": card,
        "DeviceIndex": 1 if card else 0,
        "InterfaceType": "efa",
        "Groups": [att("Fabric", "GroupId")],
    }
    for card in range(4)
]

NODES: Final = {
    "Placement": resource("AWS::EC2::PlacementGroup", {"Strategy": "cluster"}),
    "Reservation": resource(
        "AWS::EC2::CapacityReservation",
        {
            "AvailabilityZoneId": "use1-az6",
            "InstanceType": "p4d.24xlarge",
            "InstancePlatform": "Linux/UNIX",
            "InstanceCount": 4,
            "InstanceMatchCriteria": "targeted",
            "PlacementGroupArn": {
                "Fn::Sub": "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:"
                "placement-group/${Placement}"
            },
        },
        **KEPT,
    ),
    "Template": resource(
        "AWS::EC2::LaunchTemplate",
        {
            "LaunchTemplateData": {
                "ImageId": "ami-0123456789abcdef0",
                "InstanceType": "p4d.24xlarge",
                "NetworkInterfaces": INTERFACES,
                "Placement": {"GroupName": ref("Placement")},
                "CapacityReservationSpecification": {
                    "CapacityReservationTarget": {"CapacityReservationId": ref("Reservation")}
                },
                "MetadataOptions": {"HttpTokens": "required"},
                "BlockDeviceMappings": [
                    {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 200, "Encrypted": True}}
                ],
            }
        },
    ),
    "Nodes": resource(
        "AWS::AutoScaling::AutoScalingGroup",
        {
            "MinSize": "0",
            "MaxSize": "4",
            "LaunchTemplate": {
                "LaunchTemplateId": ref("Template"),
                "Version": att("Template", "LatestVersionNumber"),
            },
            "VPCZoneIdentifier": [ref("Near")],
        },
    ),
}

LUSTRE_PORTS: Final = (("Low", 988, 988), ("High", 1018, 1023))


def lustre_rules(one: str, other: str, name: str) -> dict[str, Any]:
    """Return the rules of Lustre from one group to another."""
    made: dict[str, Any] = {}
    for suffix, first, last in LUSTRE_PORTS:
        ports = {"IpProtocol": "tcp", "FromPort": first, "ToPort": last}
        made |= rules_between(one, other, f"{name}{suffix}", **ports)
    return made


SERVER_RULES: Final = {
    **lustre_rules("Servers", "Servers", "Servers"),
    **lustre_rules("Fabric", "Servers", "FromClients"),
    **lustre_rules("Servers", "Fabric", "ToClients"),
}

LUSTRE: Final = {
    "Key": resource("AWS::KMS::Key", {"KeyPolicy": {}}, **KEPT),
    "Servers": group(SecurityGroupEgress=[{"IpProtocol": "icmp", "CidrIp": "255.255.255.255/32"}]),
    **SERVER_RULES,
    "Logs": resource("AWS::Logs::LogGroup", {"LogGroupName": "/aws/fsx/lustre"}),
    "Lustre": resource(
        "AWS::FSx::FileSystem",
        {
            "FileSystemType": "LUSTRE",
            "FileSystemTypeVersion": "2.15",
            "StorageCapacity": 2400,
            "StorageType": "SSD",
            "KmsKeyId": att("Key", "Arn"),
            "SubnetIds": [ref("Near")],
            "SecurityGroupIds": [att("Servers", "GroupId")],
            "LustreConfiguration": {
                "DeploymentType": "PERSISTENT_2",
                "PerUnitStorageThroughput": 250,
                "AutomaticBackupRetentionDays": 0,
                "MetadataConfiguration": {"Mode": "AUTOMATIC"},
                "LogConfiguration": {
                    "Level": "WARN_ERROR",
                    "Destination": {
                        "Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:"
                        "log-group:${Logs}"
                    },
                },
            },
        },
        DependsOn=sorted(SERVER_RULES),
        **KEPT,
    ),
    "Bucket": resource("AWS::S3::Bucket", {}, **KEPT),
    **{
        name: resource(
            "AWS::FSx::DataRepositoryAssociation",
            {
                "FileSystemId": ref("Lustre"),
                "FileSystemPath": f"/{name.lower()}",
                "DataRepositoryPath": {"Fn::Sub": f"s3://${{Bucket}}/{name.lower()}/"},
                "S3": {policy: {"Events": ["NEW", "CHANGED", "DELETED"]}},
            },
            **after,
        )
        for name, policy, after in (
            ("Data", "AutoImportPolicy", {}),
            ("Checkpoints", "AutoExportPolicy", {"DependsOn": "Data"}),
        )
    },
}
MOUNT: Final = {
    "Fn::Base64": {"Fn::Sub": "#!/bin/bash\nmount -t lustre ${Lustre.DNSName}@tcp:/x /fsx\n"}
}

CLUSTER: Final = {**NETWORK, **NODES}
STORAGE: Final = {**NETWORK, **LUSTRE}

"""Fixtures of the LUSTRE rules."""

from typing import Any, Final

from tests.rules.cluster_templates import MOUNT, SERVER_RULES, att, ref, resource, rules_between
from tests.rules.rule_cases import GONE, Case

L: Final = "Lustre.LustreConfiguration"
MOUNTED: Final = {"Template.LaunchTemplateData.UserData": MOUNT}
NOTHING_OUT: Final = {
    "Fabric.SecurityGroupEgress": [{"IpProtocol": "icmp", "CidrIp": "255.255.255.255/32"}]
}
"""In place of EC2's default rule."""
FREE: Final = {"Data": GONE, "Checkpoints": GONE}
"""Without associations, which exclude what some cases are about."""
SCRATCH: Final = {
    f"{L}.DeploymentType": "SCRATCH_2",
    f"{L}.PerUnitStorageThroughput": GONE,
    f"{L}.MetadataConfiguration": GONE,
    "Lustre.KmsKeyId": GONE,
}
TIERING: Final = {
    "Lustre.StorageType": "INTELLIGENT_TIERING",
    "Lustre.StorageCapacity": GONE,
    f"{L}.PerUnitStorageThroughput": GONE,
    f"{L}.ThroughputCapacity": 4000,
    f"{L}.DataReadCacheConfiguration": {"SizingMode": "NO_CACHE"},
    f"{L}.MetadataConfiguration": {"Mode": "USER_PROVISIONED", "Iops": 6000},
}
OVER_EFA: Final = {
    f"{L}.EfaEnabled": True,
    "Lustre.StorageCapacity": 19200,
    **rules_between("Servers", "Servers", "Efa"),
    "@Lustre.DependsOn": [*sorted(SERVER_RULES), "EfaIn", "EfaOut"],
}
P5: Final = {
    "Template.LaunchTemplateData.InstanceType": "p5.48xlarge",
    "Template.LaunchTemplateData.CapacityReservationSpecification": GONE,
}
LOG: Final = f"{L}.LogConfiguration.Destination"


def association(path: str, prefix: str):
    return resource(
        "AWS::FSx::DataRepositoryAssociation",
        {
            "FileSystemId": ref("Lustre"),
            "FileSystemPath": path,
            "DataRepositoryPath": {"Fn::Sub": f"s3://${{Bucket}}/{prefix}"},
        },
    )


def linked(path: str, repository: str) -> dict[str, Any]:
    """Return an association of a file system that no template has."""
    properties = {
        "FileSystemId": "fs-0123456789abcdef0",
        "FileSystemPath": path,
        "DataRepositoryPath": repository,
    }
    name = f"Linked{''.join(filter(str.isalnum, path))}"
    return {name: resource("AWS::FSx::DataRepositoryAssociation", properties)}


def associations(count: int):
    return {f"More{n}": association(f"/more{n}", f"more{n}/") for n in range(count)}


LUSTRE_CASES: Final = (
    Case("LUSTRE-1", "storage", {"Lustre.StorageCapacity": 1300}, words="1300"),
    Case(
        "LUSTRE-1",
        "storage",
        {"Lustre.StorageCapacity": GONE},
        {
            "Lustre.StorageCapacity": GONE,
            "Lustre.BackupId": "backup-0123456789abcdef0",
        },
    ),
    Case(
        "LUSTRE-1",
        "storage",
        {**OVER_EFA, "Lustre.StorageCapacity": 2400},
        OVER_EFA,
    ),
    Case(
        "LUSTRE-1",
        "storage",
        {f"{L}.PerUnitStorageThroughput": 300},
        {f"{L}.PerUnitStorageThroughput": "500"},
        words="300",
    ),
    Case("LUSTRE-1", "storage", {"Lustre.StorageType": "HDD"}, TIERING, words="HDD"),
    Case(
        "LUSTRE-1",
        "storage",
        {f"{L}.MetadataConfiguration": {"Mode": "USER_PROVISIONED", "Iops": 2000}},
        {f"{L}.MetadataConfiguration": {"Mode": "USER_PROVISIONED", "Iops": 24000}},
        words="2000",
    ),
    Case("LUSTRE-1", "storage", {f"{L}.DriveCacheType": "READ"}, TIERING),
    Case(
        "LUSTRE-1",
        "storage",
        {**FREE, f"{L}.ImportPath": "s3://data"},
        {**FREE, **SCRATCH, f"{L}.ImportPath": "s3://data"},
    ),
    Case("LUSTRE-1", "storage", {**SCRATCH, f"{L}.EfaEnabled": True}, OVER_EFA),
    Case(
        "LUSTRE-1",
        "storage",
        {"Lustre.FileSystemTypeVersion": "2.12"},
        {**SCRATCH, "Lustre.FileSystemTypeVersion": "2.12"},
        words="2.12",
    ),
    Case(
        "LUSTRE-1",
        "storage",
        {f"{L}.MetadataConfiguration": GONE, "Lustre.FileSystemTypeVersion": 2.1},
        {f"{L}.MetadataConfiguration": GONE, "Lustre.FileSystemTypeVersion": 2.12},
        words="2.1",
    ),
    Case(
        "LUSTRE-24",
        "storage",
        {"ServersHighIn.FromPort": 1021, "FromClientsHighIn.FromPort": 1021},
        {"FromClientsHighIn.FromPort": 1021},
        words="TCP 1018-1020 in",
    ),
    Case(
        "LUSTRE-9",
        "storage",
        {**SCRATCH, "Lustre.KmsKeyId": "alias/data"},
        {**SCRATCH, "Lustre.KmsKeyId": "alias/aws/fsx"},
    ),
    Case(
        "LUSTRE-1",
        "storage",
        {**FREE, f"{L}.AutomaticBackupRetentionDays": 91},
        {**FREE, f"{L}.AutomaticBackupRetentionDays": 90},
        words="91",
    ),
    Case(
        "LUSTRE-9",
        "storage",
        {**SCRATCH, "Lustre.KmsKeyId": att("Key", "Arn")},
        SCRATCH,
        words="Key",
    ),
    Case("LUSTRE-1", "storage", {"Lustre.SubnetIds": [ref("Near"), ref("Far")]}),
    Case(
        "LUSTRE-1",
        "storage",
        {"Logs.LogGroupName": "/training/lustre"},
        {LOG: att("Logs", "Arn")},
        words="/training/lustre",
    ),
    Case(
        "LUSTRE-1",
        "storage",
        {"Logs.LogGroupName": GONE, LOG: att("Logs", "Arn")},
        {LOG: "arn:aws:firehose:us-east-1:111122223333:deliverystream/aws-fsx-logs"},
    ),
    Case(
        "LUSTRE-12",
        "storage",
        {f"{L}.MetadataConfiguration": GONE},
        SCRATCH,
    ),
    Case(
        "LUSTRE-13",
        "storage",
        {
            "ServersHighIn": GONE,
            "FromClientsHighIn": GONE,
            "@Lustre.DependsOn": sorted(set(SERVER_RULES) - {"ServersHighIn", "FromClientsHighIn"}),
        },
        {
            # The ports in two pieces, one of them from a block of addresses.
            "ServersHighIn.ToPort": 1020,
            "FromClientsHighIn.FromPort": 1021,
        },
        words="TCP 1018-1023 in",
    ),
    Case(
        "LUSTRE-13",
        "storage",
        {
            "ServersHighOut": GONE,
            "ToClientsHighOut": GONE,
            "@Lustre.DependsOn": sorted(set(SERVER_RULES) - {"ServersHighOut", "ToClientsHighOut"}),
        },
        {"Servers.SecurityGroupEgress": [{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}]},
        words="TCP 1018-1023 out",
    ),
    Case(
        "LUSTRE-15",
        "storage",
        {"@Lustre.DependsOn": [name for name in SERVER_RULES if name != "ServersLowIn"]},
        words="ServersLowIn",
    ),
    Case(
        "LUSTRE-13",
        "both",
        {
            **MOUNTED,
            "FromClientsLowIn": GONE,
            "@Lustre.DependsOn": sorted(set(SERVER_RULES) - {"FromClientsLowIn"}),
        },
        {
            **MOUNTED,
            "FromClientsLowIn.SourceSecurityGroupId": GONE,
            "FromClientsLowIn.CidrIp": "10.0.0.0/16",
        },
        words="Nodes mounts it",
    ),
    Case(
        "LUSTRE-13",
        "both",
        {
            **MOUNTED,
            "FromClientsHighIn": GONE,
            "@Lustre.DependsOn": sorted(set(SERVER_RULES) - {"FromClientsHighIn"}),
        },
        MOUNTED,
        words="no rule of Servers admits Fabric by TCP 1018-1023",
    ),
    Case(
        "LUSTRE-13",
        "both",
        {**MOUNTED, **NOTHING_OUT, "FromClientsLowOut": GONE},
        {
            **MOUNTED,
            **NOTHING_OUT,
            "FromClientsLowOut": GONE,
            "Outward": {
                "Type": "AWS::EC2::SecurityGroupEgress",
                "Properties": {
                    "GroupId": att("Fabric", "GroupId"),
                    "IpProtocol": "-1",
                    "CidrIp": "10.0.0.0/16",
                },
            },
        },
        words="no rule of Fabric leads to Servers by TCP 988",
    ),
    Case(
        "LUSTRE-24",
        "both",
        {**MOUNTED, **NOTHING_OUT, "ToClientsLowIn": GONE, "ToClientsHighIn": GONE},
        {**NOTHING_OUT, "ToClientsLowIn": GONE, "ToClientsHighIn": GONE},
        words="no rule of Fabric admits Servers by TCP 988 and 1018-1023",
    ),
    Case(
        "LUSTRE-17",
        "both",
        {**MOUNTED, **OVER_EFA},
        {**MOUNTED, **OVER_EFA, **P5},
        words="p4d.24xlarge",
    ),
    Case(
        "FABRIC-2",
        "storage",
        {
            **{path: value for path, value in OVER_EFA.items() if path != "EfaOut"},
            "@Lustre.DependsOn": [*sorted(SERVER_RULES), "EfaIn"],
        },
        OVER_EFA,
    ),
    Case(
        "LUSTRE-19",
        "both",
        {**MOUNTED, "Lustre.SubnetIds": [ref("Far")]},
        {**MOUNTED, "Lustre.SubnetIds": [ref("Beside")]},
        words="use1-az4",
    ),
    Case(
        "LUSTRE-20",
        "storage",
        {f"{L}.AutomaticBackupRetentionDays": 7},
        {**FREE, f"{L}.AutomaticBackupRetentionDays": 7},
        words="7",
    ),
    Case("LUSTRE-21", "storage", associations(7), associations(6), words="9"),
    Case(
        "LUSTRE-21",
        "storage",
        {"More": association("/data/more", "more/")},
        {"More": association("/database", "database/")},
        words="/data",
    ),
    Case(
        "LUSTRE-21",
        "storage",
        {"More": association("/more", "data/more/")},
        {"More": association("/more", "more/")},
    ),
    *(
        Case("LUSTRE-21", "storage", linked("/a", path), linked("/a", "s3://data/b"), words=words)
        for path, words in (("", "got an empty text"), ("https://a.s3.amazonaws.com/b", "https"))
    ),
    Case(
        "LUSTRE-21",
        "containers",
        linked("/a", "s3://data/b") | linked("/a/b", "s3://other"),
        linked("/a", "s3://data/b") | linked("/b", "s3://other"),
        words="/a/b",
    ),
    Case(
        "LUSTRE-21",
        "containers",
        {n: v for i in range(9) for n, v in linked(f"/{i}", f"s3://data/{i}").items()},
        {n: v for i in range(8) for n, v in linked(f"/{i}", f"s3://data/{i}").items()},
        words="9",
    ),
    Case(
        "LUSTRE-20",
        "storage",
        {
            **SCRATCH,
            f"{L}.DeploymentType": "SCRATCH_1",
            "Lustre.StorageCapacity": 3600,
        },
        SCRATCH,
        words="SCRATCH_1",
    ),
    Case("LUSTRE-20", "storage", {**SCRATCH, f"{L}.ImportPath": "s3://data"}, SCRATCH),
    Case(
        "LUSTRE-20",
        "storage",
        {**SCRATCH, "Lustre.FileSystemTypeVersion": GONE},
        {**SCRATCH, "Lustre.FileSystemTypeVersion": "2.12"},
        words="2.10 for SCRATCH_2",
    ),
    Case("LUSTRE-20", "storage", TIERING, {**FREE, **TIERING}, words="INTELLIGENT_TIERING"),
    Case(
        "LUSTRE-1",
        "storage",
        {"Lustre.LustreConfiguration.WeeklyMaintenanceStartTime": "0:03:00"},
        {"Lustre.LustreConfiguration.WeeklyMaintenanceStartTime": "7:23:59"},
        words="0:03:00",
    ),
    Case(
        "LUSTRE-1",
        "storage",
        {"Lustre.LustreConfiguration.DailyAutomaticBackupStartTime": "24:00"},
        {"Lustre.LustreConfiguration.DailyAutomaticBackupStartTime": "00:00"},
        words="24:00",
    ),
    Case("LUSTRE-28", "storage", {"Checkpoints.S3": GONE}, words="NEW and no CHANGED"),
    Case(
        "LUSTRE-28",
        "storage",
        {"Checkpoints.S3.AutoExportPolicy.Events": ["CHANGED", "DELETED"]},
        {"Checkpoints.S3.AutoExportPolicy.Events": ["CHANGED", "NEW"]},
        words="NEW",
    ),
    Case("LUSTRE-15", "storage", {"@Checkpoints.DependsOn": GONE}, words="Data"),
)

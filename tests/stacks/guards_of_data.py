"""What keeps data: encryption, keys, versions, and what happens when a stack no longer wants it."""

import json
from typing import Any

from tests.stacks.synthesized import Synthesis
from ultracluster.spec.lustre import DataRepositorySpec

HOLD_DATA = (
    "AWS::EC2::VPC",
    "AWS::ECR::Repository",
    "AWS::EFS::FileSystem",
    "AWS::FSx::FileSystem",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
)
"""Types that hold what cannot be made again, and the keys and the network that it needs."""
CAPACITY = ("AWS::EC2::CapacityReservation", "AWS::EC2::PlacementGroup")
NEEDED = (
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Subnet",
)
"""Types of which some stay, because a file system that stays is reached through them."""
LOGS_KEPT_DAYS = 90
ACCESSES_KEPT_DAYS = 365
IMAGES_KEPT = 20


def key(made: Synthesis, use: str) -> dict[str, Any]:
    """Return the ARN of the environment's key of logs or of data."""
    (found,) = (
        name
        for name, resource in made.named("AWS::KMS::Key")
        if resource["Properties"]["Description"].startswith(use)
    )
    return {"Fn::GetAtt": [found, "Arn"]}


def data_bucket(made: Synthesis) -> tuple[str, dict[str, Any]]:
    """Return the bucket that has a log of who reads it."""
    (found,) = (
        (name, bucket["Properties"])
        for name, bucket in made.named("AWS::S3::Bucket")
        if "LoggingConfiguration" in bucket["Properties"]
    )
    return found


def keys_are_rotated(made: Synthesis) -> None:
    """A key that never changes is lost for good once it is known."""
    assert len(list(made.named("AWS::KMS::Key"))) == len({"logs", "data"})
    for _, each in made.named("AWS::KMS::Key"):
        assert each["Properties"]["EnableKeyRotation"] is True


def what_is_kept_is_kept(made: Synthesis) -> None:
    """Deleted and replaced by nobody but a person; what is not kept leaves nothing to pay for."""
    keep = made.environment.storage.keep_data
    for kind in HOLD_DATA:
        for _, each in made.named(kind):
            policy = each["DeletionPolicy"], each["UpdateReplacePolicy"]
            assert policy == (("RetainExceptOnCreate", "Retain") if keep else ("Delete", "Delete"))
    subnets = dict(made.named("AWS::EC2::Subnet"))
    for _, system in made.named("AWS::FSx::FileSystem"):  # its network interfaces are in them
        for subnet in system["Properties"]["SubnetIds"]:
            if isinstance(subnet, dict):
                own = subnets[subnet["Fn::GetAtt"][0]]
                assert own["DeletionPolicy"] == ("RetainExceptOnCreate" if keep else "Delete")
                assert own["UpdateReplacePolicy"] == ("Retain" if keep else "Delete")
    assert bool(list(made.named("Custom::S3AutoDeleteObjects"))) is not keep
    for _, images in made.named("AWS::ECR::Repository"):
        assert images["Properties"]["EmptyOnDelete"] is not keep


def nothing_else_stays(made: Synthesis) -> None:
    """It would be paid for, and stand in the way of the next deployment."""
    reserves = any(each.makes_reservation for each in made.environment.fabrics().values())
    may = CAPACITY if reserves else ()
    if made.environment.storage.keep_data:
        may = (*may, *HOLD_DATA, *NEEDED)
    for template in made.templates.values():
        for each in template["Resources"].values():
            if each["Type"] not in may:
                assert each.get("DeletionPolicy", "Delete") == "Delete"
                assert each.get("UpdateReplacePolicy", "Delete") == "Delete"


def capacity_that_was_made_is_kept(made: Synthesis) -> None:
    """It may not be got again; and the group that it is in stays with it."""
    reserved = list(made.named("AWS::EC2::CapacityReservation"))
    groups = {
        each["Properties"]["PlacementGroupArn"]["Fn::Join"][1][-1]["Ref"]
        for _, each in reserved
        if "PlacementGroupArn" in each["Properties"]
    }
    placed = [each for each in made.named("AWS::EC2::PlacementGroup") if each[0] in groups]
    for _, each in (*reserved, *placed):
        assert each["DeletionPolicy"] == "RetainExceptOnCreate"
        assert each["UpdateReplacePolicy"] == "Retain"


def everything_at_rest_is_encrypted(made: Synthesis) -> None:
    """With the environment's keys, wherever the service takes one."""
    data, logs = key(made, "Data"), key(made, "Log groups")
    for _, group in made.named("AWS::Logs::LogGroup"):
        assert group["Properties"]["KmsKeyId"] == logs
    for _, topic in made.named("AWS::SNS::Topic"):
        assert topic["Properties"]["KmsMasterKeyId"] == logs
    for _, images in made.named("AWS::ECR::Repository"):
        encrypted = images["Properties"]["EncryptionConfiguration"]
        assert encrypted == {"EncryptionType": "KMS", "KmsKey": data}
    for _, system in made.named("AWS::FSx::FileSystem"):
        own = made.environment.storage.customer_key
        assert system["Properties"].get("KmsKeyId") == (data if own else None)
    for _, homes in made.named("AWS::EFS::FileSystem"):
        given = homes["Properties"]
        assert (given["Encrypted"], given["KmsKeyId"]) == (True, data)
    for _, template in made.named("AWS::EC2::LaunchTemplate"):
        (volume,) = template["Properties"]["LaunchTemplateData"]["BlockDeviceMappings"]
        assert volume["Ebs"]["Encrypted"] is True


def homes_are_copied_as_asked(made: Synthesis) -> None:
    """Users cannot make theirs again, and what costs little is charged all the same."""
    slurm = made.environment.slurm
    asked = None if slurm is None else slurm.home_storage
    found = [each["Properties"] for _, each in made.named("AWS::EFS::FileSystem")]
    wanted = [] if asked is None else ["ENABLED" if asked.backups else "DISABLED"]
    assert [each["BackupPolicy"]["Status"] for each in found] == wanted


def buckets_are_encrypted_and_versioned(made: Synthesis) -> None:
    """The log of accesses can be delivered only to a bucket with S3's own key."""
    own, _ = data_bucket(made)
    for name, bucket in made.named("AWS::S3::Bucket"):
        (rule,) = bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        by_kms = {"KMSMasterKeyID": key(made, "Data"), "SSEAlgorithm": "aws:kms"}
        assert rule["ServerSideEncryptionByDefault"] == (
            by_kms if name == own else {"SSEAlgorithm": "AES256"}
        )
        # Without a key of the bucket each object is a request of KMS's, which is charged.
        assert rule.get("BucketKeyEnabled", False) is (name == own)
        assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}


def data_never_expires(made: Synthesis) -> None:
    """Only versions that were overwritten or deleted, and parts of uploads that were given up."""
    _, bucket = data_bucket(made)
    assert bucket["LifecycleConfiguration"]["Rules"] == [
        {
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
            "NoncurrentVersionExpiration": {
                "NoncurrentDays": made.environment.storage.noncurrent_days
            },
            "Status": "Enabled",
        }
    ]


def accesses_to_data_are_logged(made: Synthesis) -> None:
    """In a bucket whose records stay for a year, and that S3 may write to for this one alone."""
    own, bucket = data_bucket(made)
    log = bucket["LoggingConfiguration"]["DestinationBucketName"]["Ref"]
    assert log != own
    whole = {"Fn::Join": ["", [{"Fn::GetAtt": [log, "Arn"]}, "/*"]]}
    assert {
        "Action": "s3:PutObject",
        "Condition": {
            "ArnLike": {"aws:SourceArn": {"Fn::GetAtt": [own, "Arn"]}},
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        },
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Resource": whole,
    } in [
        statement
        for _, policy in made.named("AWS::S3::BucketPolicy")
        if policy["Properties"]["Bucket"] == {"Ref": log}
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]
    (rule,) = dict(made.named("AWS::S3::Bucket"))[log]["Properties"]["LifecycleConfiguration"][
        "Rules"
    ]
    assert rule == {
        "ExpirationInDays": ACCESSES_KEPT_DAYS,
        "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
        "Status": "Enabled",
    }


def logs_stay_for_months(made: Synthesis) -> None:
    """Long enough to look into what happened, and not for ever."""
    network = made.environment.network
    asked = {
        each["Properties"]["LogGroupName"]["Ref"]: getattr(network, "flow_log_retention_days", None)
        for _, each in made.named("AWS::EC2::FlowLog")
    }
    for name, group in made.named("AWS::Logs::LogGroup"):
        assert group["Properties"]["RetentionInDays"] == asked.get(name, LOGS_KEPT_DAYS)


def images_do_not_move(made: Synthesis) -> None:
    """A tag is what was tested, and the newest images stay."""
    for _, images in made.named("AWS::ECR::Repository"):
        properties = images["Properties"]
        assert properties["ImageTagMutability"] == "IMMUTABLE"
        assert properties["ImageScanningConfiguration"] == {"ScanOnPush": True}
        text = properties["LifecyclePolicy"]["LifecyclePolicyText"]
        assert f'"imageCountMoreThan","countNumber":{IMAGES_KEPT}}}' in text
        assert '"untagged","countType":"sinceImagePushed","countNumber":7' in text


def the_file_system_is_what_was_asked_for(made: Synthesis) -> None:
    """Backups, exports to the bucket, and what a file system can lose."""
    asked = made.environment.storage
    ((name, system),) = made.named("AWS::FSx::FileSystem")
    lustre = dict(system["Properties"]["LustreConfiguration"])
    backups = lustre.pop("AutomaticBackupRetentionDays", 0)
    assert backups == asked.automatic_backup_retention_days
    lustre.pop("LogConfiguration")
    iops = asked.metadata_iops
    provisioned = {"Mode": "USER_PROVISIONED", "Iops": iops}
    cache, tiering = asked.data_read_cache, asked.storage_type == "INTELLIGENT_TIERING"
    wanted = {
        "DeploymentType": asked.deployment_type,
        "PerUnitStorageThroughput": asked.per_unit_storage_throughput,
        "ThroughputCapacity": asked.throughput_capacity_mbps,
        "DriveCacheType": asked.drive_cache_type,
        "DataCompressionType": None if tiering else asked.data_compression_type,
        "DataReadCacheConfiguration": {"SizingMode": cache} if cache else None,
        "MetadataConfiguration": {"Mode": iops} if iops == "AUTOMATIC" else iops and provisioned,
        "EfaEnabled": asked.efa_enabled or None,
        "WeeklyMaintenanceStartTime": asked.weekly_maintenance_start_time,
    }
    assert lustre == {key: value for key, value in wanted.items() if value is not None}
    assert system["Properties"].get("StorageCapacity") == asked.capacity_gib
    assert system["Properties"]["StorageType"] == asked.storage_type
    groups = [name for name, _ in made.named("AWS::EC2::SecurityGroup")]
    assert all(g["Fn::GetAtt"][0] in groups for g in system["Properties"]["SecurityGroupIds"])
    bucket, _ = data_bucket(made)
    found = [each["Properties"] for _, each in made.named("AWS::FSx::DataRepositoryAssociation")]
    assert all(each["FileSystemId"] == {"Ref": name} for each in found)
    assert sorted(map(_association, found)) == sorted(
        (
            each.file_system_path,
            json.dumps(_place(each, bucket)),
            tuple(each.auto_import),
            tuple(each.auto_export),
        )
        for each in asked.data_repositories
    )


def _place(asked: DataRepositorySpec, bucket: str) -> Any:
    if asked.bucket_name:
        return f"s3://{asked.bucket_name}/{asked.prefix}"
    return {"Fn::Join": ["", ["s3://", {"Ref": bucket}, f"/{asked.prefix}"]]}


def _association(properties: dict[str, Any]) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    events = properties.get("S3", {})
    imported, exported = (
        tuple(events.get(f"Auto{way}Policy", {}).get("Events", ())) for way in ("Import", "Export")
    )
    path = json.dumps(properties["DataRepositoryPath"])
    return properties["FileSystemPath"], path, imported, exported


DATA = (
    keys_are_rotated,
    what_is_kept_is_kept,
    nothing_else_stays,
    capacity_that_was_made_is_kept,
    everything_at_rest_is_encrypted,
    homes_are_copied_as_asked,
    buckets_are_encrypted_and_versioned,
    data_never_expires,
    accesses_to_data_are_logged,
    logs_stay_for_months,
    images_do_not_move,
    the_file_system_is_what_was_asked_for,
)

"""What keeps data: encryption, keys, versions, and what happens when a stack no longer wants it."""

from typing import Any

from tests.stacks.synthesized import Synthesis
from ultracluster.spec.environment import EnvironmentSpec

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


def capacity_that_was_made_is_kept(made: Synthesis) -> None:
    """It may not be got again."""
    for _, each in made.named("AWS::EC2::CapacityReservation"):
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
        assert rule["ServerSideEncryptionByDefault"] == (
            {"KMSMasterKeyID": key(made, "Data"), "SSEAlgorithm": "aws:kms"}
            if name == own
            else {"SSEAlgorithm": "AES256"}
        )
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
    """In a bucket whose records stay for a year."""
    own, bucket = data_bucket(made)
    log = bucket["LoggingConfiguration"]["DestinationBucketName"]["Ref"]
    assert log != own
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
    for _, machine in made.named("AWS::StepFunctions::StateMachine"):
        logging = machine["Properties"]["LoggingConfiguration"]
        assert logging["Destinations"]
        assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", True)


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
    (system,) = (properties for _, properties in made.named("AWS::FSx::FileSystem"))
    lustre = system["Properties"]["LustreConfiguration"]
    assert lustre["DeploymentType"] == asked.deployment_type
    backups = lustre.get("AutomaticBackupRetentionDays", 0)
    assert backups == asked.automatic_backup_retention_days
    assert lustre.get("PerUnitStorageThroughput") == asked.per_unit_storage_throughput
    assert lustre.get("ThroughputCapacity") == asked.throughput_capacity_mbps
    assert system["Properties"].get("StorageCapacity") == asked.capacity_gib
    assert system["Properties"]["StorageType"] == asked.storage_type
    groups = [name for name, _ in made.named("AWS::EC2::SecurityGroup")]
    assert all(g["Fn::GetAtt"][0] in groups for g in system["Properties"]["SecurityGroupIds"])
    found = [each["Properties"] for _, each in made.named("AWS::FSx::DataRepositoryAssociation")]
    assert sorted(map(_association, found)) == _associations(made.environment)


def _association(properties: dict[str, Any]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    events = properties.get("S3", {})
    imported, exported = (
        tuple(events.get(f"Auto{way}Policy", {}).get("Events", ())) for way in ("Import", "Export")
    )
    return properties["FileSystemPath"], imported, exported


def _associations(
    environment: EnvironmentSpec,
) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    return sorted(
        (each.file_system_path, tuple(each.auto_import), tuple(each.auto_export))
        for each in environment.storage.data_repositories
    )


DATA = (
    keys_are_rotated,
    what_is_kept_is_kept,
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

"""Proof of the storage: file system, associations, bucket."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.prove.network_proof import training_subnets
from ultracluster.prove.proof import Check, Evidence, as_list, equal, present

KEY: Final = "Key/Resource/Resource"


def lustre(evidence: Evidence) -> Iterator[Check]:
    """The file system is what the spec buys, in the first training subnet."""
    spec = evidence.spec.storage
    found = evidence.described("Storage", "Lustre/Resource")
    asked = spec.properties()
    yield equal("state of the file system", "AVAILABLE", found.get("Lifecycle"))
    for key in ("StorageCapacity", "StorageType", "FileSystemTypeVersion"):
        if key in asked:
            yield equal(f"{key} of the file system", asked[key], found.get(key))
    configuration = found.get("LustreConfiguration", {})
    for key, wanted in asked["LustreConfiguration"].items():
        is_there = configuration.get(key)
        if isinstance(wanted, Mapping):
            # What the service adds beside it (IOPS it chose) is its own.
            is_there = {name: (is_there or {}).get(name) for name in wanted}
        yield equal(f"{key} of the file system", wanted, is_there)
    subnet = training_subnets(evidence)[0]["SubnetId"]
    yield equal("subnets of the file system", [subnet], found.get("SubnetIds"))
    if spec.customer_key:
        key_id = evidence.id_at("Storage", KEY)
        arn = str(found.get("KmsKeyId"))
        yield Check("key of the file system", key_id, arn, ok=arn.endswith(key_id))
    destination = str(configuration.get("LogConfiguration", {}).get("Destination"))
    yield Check(
        "log group of the file system",
        "below /aws/fsx/",
        destination,
        ok=":log-group:/aws/fsx/" in destination,
    )
    yield from _associations(evidence, found["FileSystemId"])


def _associations(evidence: Evidence, file_system_id: str) -> Iterator[Check]:
    spec = evidence.spec.storage
    found = evidence.cloud.ask(
        "fsx",
        "describe_data_repository_associations",
        Filters=[{"Name": "file-system-id", "Values": [file_system_id]}],
    )["Associations"]
    bucket = evidence.id_at("Storage", "Data/Resource/Resource")
    wanted = sorted(
        (
            entry.file_system_path,
            f"s3://{entry.bucket_name or bucket}/{entry.prefix}",
            entry.auto_import,
            entry.auto_export,
        )
        for entry in spec.data_repositories
    )
    have = sorted(
        (
            entry["FileSystemPath"],
            entry["DataRepositoryPath"],
            tuple(entry.get("S3", {}).get("AutoImportPolicy", {}).get("Events", ())),
            tuple(entry.get("S3", {}).get("AutoExportPolicy", {}).get("Events", ())),
        )
        for entry in found
    )
    yield equal("data repository associations", wanted, have)


def homes(evidence: Evidence) -> Iterator[Check]:
    """The file system of homes is encrypted by our key, reached by TLS, and where the nodes are."""
    slurm, ask = evidence.spec.slurm, evidence.cloud.ask
    spec = None if slurm is None else slurm.home_storage
    every = ask("efs", "describe_file_systems")["FileSystems"]
    own = {"Key": ENVIRONMENT_TAG, "Value": evidence.spec.name}
    found = {each["FileSystemId"]: each for each in every if own in each["Tags"]}
    if spec is None:
        yield equal("file systems of homes", [], list(found))
        return
    file_system_id = evidence.id_at("Storage", "Homes/Resource/Resource")
    yield equal("file systems of homes", [file_system_id], list(found))
    of = {"FileSystemId": file_system_id}
    wanted = {"LifeCycleState": "available", "ThroughputMode": "elastic", "Encrypted": True}
    for name, value in wanted.items():
        yield equal(f"{name} of homes", value, found[file_system_id].get(name))
    key_id, arn = evidence.id_at("Storage", KEY), str(found[file_system_id].get("KmsKeyId"))
    yield Check("key of homes", key_id, arn, ok=arn.endswith(key_id))
    targets = ask("efs", "describe_mount_targets", **of)["MountTargets"]
    subnet = training_subnets(evidence)[0]["SubnetId"]
    yield equal("mount targets of homes", [subnet], [each["SubnetId"] for each in targets])
    policy = json.loads(ask("efs", "describe_file_system_policy", **of)["Policy"])["Statement"]
    yield present("refusal of mounts without TLS", there=any(map(_without_tls, policy)))
    allowing = [each for each in policy if each["Effect"] == "Allow"]
    yield equal("what the policy of homes allows", [], allowing)
    backups = ask("efs", "describe_backup_policy", **of)["BackupPolicy"]["Status"]
    status = "ENABLED" if spec.backups else "DISABLED"
    yield equal("backups of homes", status, backups.replace("ING", "ED"))


def bucket(evidence: Evidence) -> Iterator[Check]:
    """The data bucket is versioned, encrypted by the environment's key, and TLS only."""
    cloud, spec = evidence.cloud, evidence.spec.storage
    name = evidence.id_at("Storage", "Data/Resource/Resource")
    versioning = cloud.ask("s3", "get_bucket_versioning", Bucket=name)
    yield equal("versioning of the data bucket", "Enabled", versioning.get("Status"))
    encryption = cloud.ask("s3", "get_bucket_encryption", Bucket=name)
    rule = encryption["ServerSideEncryptionConfiguration"]["Rules"][0]
    default = rule["ApplyServerSideEncryptionByDefault"]
    yield equal("encryption of the data bucket", "aws:kms", default["SSEAlgorithm"])
    block = cloud.ask("s3", "get_public_access_block", Bucket=name)
    settings = block["PublicAccessBlockConfiguration"]
    yield equal("public access to the data bucket", {True}, set(settings.values()))
    rules = cloud.ask("s3", "get_bucket_lifecycle_configuration", Bucket=name)["Rules"]
    days = [int(r["NoncurrentVersionExpiration"]["NoncurrentDays"]) for r in rules]
    yield equal("days of old versions, as the sheet has it", [spec.noncurrent_days], days)
    policy = json.loads(cloud.ask("s3", "get_bucket_policy", Bucket=name)["Policy"])
    refused = [
        {str(resource).rpartition(":")[2] for resource in as_list(statement.get("Resource"))}
        for statement in policy["Statement"]
        if _without_tls(statement)
    ]
    refusal = any({name, f"{name}/*"} <= resources for resources in refused)
    yield present("refusal of requests without TLS", there=refusal)


def _without_tls(statement: Mapping[str, Any]) -> bool:
    """Whether a statement denies everybody everything where there is no TLS."""
    condition = statement.get("Condition")
    return (
        statement["Effect"] == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        and as_list(statement.get("Action")) in (["s3:*"], ["*"])
        # Another condition beside it would let some requests through.
        and condition in [{"Bool": {"aws:SecureTransport": given}} for given in ("false", False)]
    )

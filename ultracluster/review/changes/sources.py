"""Where what is said of a change is known from.

What a service does is quoted from the documentation of its API in botocore 1.43.106, AWS's resource
reference in aws-cdk 2.1148.1, or a page with the day on which it was read. What nobody read for
this says so: `docs/unverified.md` lists it.
"""

from typing import Final

BOTOCORE: Final = "botocore 1.43.106"
REGISTRY: Final = "registry schemas of cfn-lint 1.58.0"
REFERENCE: Final = "AWS resource reference in aws-cdk 2.1148.1"


def api(service: str, operation: str) -> str:
    return f"{service} {operation} ({BOTOCORE})"


def unverified(topic: str) -> str:
    """Return general knowledge as a source, as what it is."""
    return f"general knowledge of {topic}, unverified"


RETENTION: Final = (
    "CloudFormation reference, UpdateReplacePolicy and DeletionPolicy, read 2026-11-24"
)
ORDER: Final = (
    "CloudFormation makes the replacement before it deletes the old one (CloudFormation reference, "
    "UpdateReplacePolicy, read 2026-11-24)"
)
CUSTOM_NAME: Final = (
    'CloudFormation: "cannot update a stack when a custom-named resource requires replacing" '
    "(convox/rack#2941, read 2026-11-24)"
)
EXPORTS: Final = (
    'CloudFormation: an export "cannot be updated as it is in use" (linz/geostore#630, read '
    "2026-11-24; decision 0003)"
)
TYPE: Final = (
    'CloudFormation: "Update of resource type is not permitted" (aws-sam-cli#6786, read 2026-11-24)'
)
UPDATE_POLICY: Final = "CloudFormation reference, UpdatePolicy attribute, read 2026-11-24"
TERMINATION: Final = api("CloudFormation", "UpdateTerminationProtection")
PARAMETERS: Final = unverified("CloudFormation parameters")

LUSTRE_CAPACITY: Final = (
    "FSx for Lustre guide, managing storage capacity, read 2026-11-24: it only grows, is away for "
    "some minutes, and slower for hours to days while data is rebalanced"
)
LUSTRE_THROUGHPUT: Final = (
    "FSx for Lustre guide, managing throughput capacity, read 2026-11-24: the file servers are "
    "switched out, and the file system is away for some minutes"
)
LUSTRE_UPDATE: Final = api("FSx", "UpdateFileSystem")
LUSTRE_PRICE: Final = "priced by size and throughput (facts/prices_other.json)"
LUSTRE_DELETION: Final = api("FSx", "DeleteFileSystem: its data is gone, automatic backups as well")
UNLINKED: Final = api("FSx", "DeleteDataRepositoryAssociation")

BUCKETS: Final = "S3 API (" + BOTOCORE + ")"
LIFECYCLE: Final = unverified("S3 lifecycle rules: they also apply to objects that are there")
KEYS: Final = "KMS API (" + BOTOCORE + ")"
IMAGES: Final = "ECR API (" + BOTOCORE + ")"
AUTO_DELETE: Final = "aws-cdk-lib 2.275.0, s3.Bucket.auto_delete_objects"

GROUP_RULES: Final = (
    "rules compared with all others of the group; a rule that changes is gone for a moment "
    f"({REFERENCE}, AWS::EC2::SecurityGroup)"
)
EFA: Final = (
    "EC2 user guide, EFA: the group must allow all traffic to and from itself, read 2026-11-23"
)
NO_EGRESS: Final = (
    "egress rules that are removed leave none: EC2's default comes with a new group alone "
    f"({REFERENCE}, AWS::EC2::SecurityGroup)"
)
ENDPOINTS: Final = api("EC2", "CreateVpcEndpoint")
ROUTES: Final = unverified("VPC routing")
ADDRESSES: Final = unverified("public addresses in a VPC")
PRICES: Final = unverified("AWS prices")

RESERVED: Final = unverified("On-Demand Capacity Reservations: billed from the start, used or not")
SLURM: Final = "AWS PCS guide, updating a compute node group, read 2026-11-24"
QUEUES: Final = "AWS PCS guide, updating a queue, read 2026-11-27"
HYPERPOD: Final = "HyperPod guide, scaling down and updating a cluster, read 2026-11-24"
VERSIONS: Final = (
    "a version of a launch template never changes, and instances keep what they were launched with "
    f"({unverified('launch templates')})"
)
PLACEMENT: Final = api("EC2", "DeletePlacementGroup")

IAM: Final = "statements compared; what no statement allows is refused (IAM policy evaluation)"
PURPOSE: Final = "what the type is for"

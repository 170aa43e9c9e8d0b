"""A request that nothing is wrong with, and the place that it is for."""

from copy import deepcopy
from typing import Any

from ultracluster.catalogue.training_place import OfferedFileSystem, OfferedSubnet, Place
from ultracluster.spec.engines import TorchrunEngine
from ultracluster.spec.limits import CheckpointSpec, LimitsSpec
from ultracluster.spec.model import DataSpec, ModelSpec
from ultracluster.spec.recipe import RecipeSpec
from ultracluster.train.deployed import Deployed
from ultracluster.train.submission import build

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
VALUES = {
    "availability-zone-id": "use1-az6",
    "data-bucket": "training-data",
    "data-key-arn": "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "execution-role-arn": "arn:aws:iam::123456789012:role/execution",
    "file-system-id": "fs-0123456789abcdef0",
    "image-repository-uri": f"{REGISTRY}/training",
    "instance-type": "p4d.24xlarge",
    "lustre-mount-name": "abcd1234",
    "sagemaker-instances": "64",
    "security-group-ids": "sg-0123456789abcdef0,sg-0123456789abcdef1",
    "state-machine-arn": "arn:aws:states:us-east-1:123456789012:stateMachine:training",
    "subnet-ids": "subnet-0123456789abcdef0",
}
DEPLOYED = Deployed("dev", "us-east-1", VALUES)


def recipe(**changes: Any) -> RecipeSpec:
    """Return a recipe for 128 GPUs."""
    given: dict[str, Any] = {
        "name": "gpt",
        "model": ModelSpec(layers=40, width=5120, heads=40),
        "data": DataSpec(global_batch=1024, micro_batch=4),
        "steps": 100,
        "nodes": 16,
        "partition_size": 16,
        "engine": TorchrunEngine(hierarchical_gather=True),
        "checkpoint": CheckpointSpec(every_steps=10),
        "limits": LimitsSpec(max_runtime_seconds=3600),
        "image": "v1",
    }
    return RecipeSpec(**{**given, **changes})


def place(**changes: Any) -> Place:
    """Return the place that the request is for, as AWS describes it."""
    given: dict[str, Any] = {
        "region": "us-east-1",
        "name": "dev",
        "zone_id": "use1-az6",
        "instance_type": "p4d.24xlarge",
        "most_instances": 64,
        "role_arn": VALUES["execution-role-arn"],
        "bucket": "training-data",
        "subnets": {"subnet-0123456789abcdef0": OfferedSubnet("use1-az6", 400)},
        "security_groups": ("sg-0123456789abcdef0", "sg-0123456789abcdef1"),
        "file_systems": {"fs-0123456789abcdef0": OfferedFileSystem("use1-az6", "abcd1234")},
        "image_repository": f"{REGISTRY}/training",
        "image_tags": frozenset({"v1"}),
    }
    return Place(**{**given, **changes})


def request(**changes: Any) -> dict[str, Any]:
    """Return the request of that recipe; see `recipe` for changes."""
    return build(recipe(**changes), DEPLOYED, name="dev-gpt-1", run="gpt")


REMOVED = object()


def changed(base: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with the value at a dotted path replaced, added or removed."""
    copy = deepcopy(base)
    *outer, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    target: Any = copy
    for part in outer:
        if isinstance(target, dict) and part not in target:
            target[part] = {}
        target = target[part]
    if value is REMOVED:
        del target[last]
    elif isinstance(target, list) and last == len(target):
        target.append(value)
    else:
        target[last] = value
    return copy

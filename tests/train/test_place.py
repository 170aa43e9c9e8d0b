"""A request judged for the environment that it is to run in."""

import pytest

from tests.train.requests import REGISTRY, VALUES, changed, place, request
from ultracluster.catalogue.training_place import OfferedFileSystem, OfferedSubnet
from ultracluster.train.recipe_files import request_problems

HERE = "subnet-0123456789abcdef0"
SYSTEM = "fs-0123456789abcdef0"
LUSTRE = "InputDataConfig.0.DataSource.FileSystemDataSource"


def said(found: dict[str, object], **changes: object) -> list[str]:
    """Return what is said of a request in a changed place."""
    return [str(problem) for problem in request_problems(found, place(**changes))]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"most_instances": 8}, "use 8 at a time"),
        ({"most_instances": 0}, "use 0 at a time"),
        (
            {"subnets": {HERE: OfferedSubnet("use1-az6", 79)}},
            "80 in all, and the subnets have 79 free",
        ),
        ({"subnets": {HERE: OfferedSubnet("use1-az1", 400)}}, "EFA does not leave use1-az6"),
        (
            {"file_systems": {SYSTEM: OfferedFileSystem("use1-az1", "abcd1234")}},
            "SageMaker mounts it from its own zone only",
        ),
        ({"file_systems": {SYSTEM: OfferedFileSystem("use1-az6", "wxyz")}}, "write /wxyz/"),
        ({"file_systems": {"fs-0": OfferedFileSystem("use1-az6", "a")}}, "not of this environment"),
        ({"instance_type": "p5.48xlarge"}, "is made for ml.p5.48xlarge"),
        ({"zone_id": "use1-az3", "subnets": {}}, "not offered in use1-az3"),
        ({"region": "us-west-1", "zone_id": None, "subnets": {}}, "not offered in us-west-1"),
        ({"bucket": "another"}, "write s3://another/..."),
        ({"role_arn": "arn:aws:iam::123456789012:role/other"}, "may pass only one role"),
        ({"security_groups": ("sg-0123456789abcdef0",)}, "not of this environment"),
        ({"image_tags": frozenset({"v2"})}, "the repository has v2"),
        ({"image_tags": frozenset()}, "no image at all"),
    ],
)
def test_what_does_not_fit_the_environment_is_found(changes: dict[str, object], words: str):
    """SageMaker says most of it after it has waited for capacity, and some of it never."""
    found = said(request(), **changes)

    assert any(words in line for line in found), found


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("VpcConfig.Subnets.0", "subnet-0fffffffffffffff0", "not of this environment"),
        ("VpcConfig.SecurityGroupIds", ["sg-0123456789abcdef0"], "write all of them"),
        (f"{LUSTRE}.DirectoryPath", "/fsx/data", "begins with the mount name"),
        ("ResourceConfig.InstanceCount", 65, "64 at a time"),
        ("AlgorithmSpecification.TrainingImage", f"{REGISTRY}/training:gone", "push the image"),
    ],
)
def test_what_names_another_environment_is_found(path: str, value: object, words: str):
    """The launcher's role could not start it, or the execution role could not run it."""
    found = said(changed(request(), path, value))

    assert any(words in line for line in found), found


def test_what_is_not_known_is_not_judged():
    """Who may not ask AWS can still submit."""
    unknown = place(
        subnets={HERE: None}, file_systems={}, image_tags=None, most_instances=None, role_arn=None
    )

    assert request_problems(request(), unknown) == []


def test_exactly_the_free_addresses_are_enough():
    """Five for each instance: 16 instances take 80."""
    assert said(request(), subnets={HERE: OfferedSubnet("use1-az6", 80)}) == []
    assert VALUES["sagemaker-instances"] == "64"

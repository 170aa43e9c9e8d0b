"""What is known of AWS PCS, against the models that AWS publishes."""

from typing import get_args

import botocore.loaders
import pytest
from cfnlint.helpers import REGIONS as EVERY_REGION
from cfnlint.schema import ResourceNotFoundError
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from ultracluster.catalogue import slurm
from ultracluster.spec.slurm import SlurmSpec

MODEL = botocore.loaders.Loader().load_service_model("pcs", "service-2")


def sold(region: str) -> bool:
    try:
        PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, "AWS::PCS::Cluster")
    except ResourceNotFoundError:
        return False
    return True


def test_regions_are_those_of_the_registry():
    """A spec refuses the others, and an upgrade of cfn-lint may bring more."""
    assert {region for region in EVERY_REGION if sold(region)} == slurm.REGIONS


def test_a_spec_takes_the_versions_of_the_table():
    """A type cannot read the table, so that each version stands in both."""
    assert get_args(SlurmSpec.model_fields["version"].annotation) == slurm.VERSIONS


def test_sizes_are_those_of_the_api():
    """The API's own words hold the figures."""
    assert list(slurm.SIZES) == MODEL["shapes"]["Size"]["enum"]
    words = MODEL["shapes"]["CreateClusterRequest"]["members"]["size"]["documentation"]
    for size, most in slurm.SIZES.items():
        assert f"<code>{size}</code>: {most} compute nodes" in words


@pytest.mark.parametrize(
    ("instances", "size"),
    [
        (1, "SMALL"),
        (32, "SMALL"),
        (33, "MEDIUM"),
        (512, "MEDIUM"),
        (513, "LARGE"),
        (2048, "LARGE"),
        (2049, None),
    ],
)
def test_the_smallest_size_that_holds_them_is_taken(instances: int, size: str | None):
    assert slurm.size_for(instances) == size

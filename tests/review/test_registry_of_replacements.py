"""What the schemas leave out of replacements is derived from AWS's reference, and not written."""

import pytest

from facts import replacements
from ultracluster.registry.schemas import any_schema


@pytest.fixture(scope="session")
def reference():
    """AWS's resource reference, as the CDK CLI of the lock file carries it."""
    return replacements.Reference(replacements.DATABASE)


def test_the_table_is_what_the_reference_says(reference):
    """A new CDK CLI or cfn-lint makes this fail until `make catalogue` has run."""
    derived = {
        resource["cloudFormationType"]: found
        for resource in reference.resources
        if resource["cloudFormationType"].split("::")[1]
        in ("EC2", "FSx", "PCS", "S3", "IAM", "Logs")
        if (found := replacements.left_out(reference, resource))
    }
    for name, found in derived.items():
        schema = any_schema(name)
        assert schema is not None
        assert {"/".join(path) for path in schema.documented} == set(found.get("always", ()))


def test_what_the_schema_lists_is_not_listed_twice():
    """The table holds only what is missing."""
    schema = any_schema("AWS::FSx::FileSystem")
    assert schema is not None
    own = {tuple(p.split("/")[2:]) for p in schema.document["createOnlyProperties"]}
    assert ("SubnetIds",) in own
    assert own.isdisjoint(schema.documented)
    assert ("LustreConfiguration", "PerUnitStorageThroughput") in schema.documented


def test_tags_that_can_be_updated_replace_nothing():
    """The reference is older than the schema where they disagree about tags."""
    schema = any_schema("AWS::EC2::CapacityReservation")
    assert schema is not None
    assert ("TagSpecifications",) not in schema.create_only

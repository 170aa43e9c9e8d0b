"""The records of resource types, against what CloudFormation's registry has."""

import pytest

from ultracluster.registry.schemas import all_types, any_schema
from ultracluster.review.resource_types import ResourceType, resource_type, resource_types

RECORDS = resource_types()
ELSEWHERE = ("Custom::", "AWS::CDK::")
"""Types that no registry has."""


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_speaks_of_a_type_and_of_properties_that_exist(name: str):
    """A misspelt path would never be judged, and nobody would notice."""
    if name.startswith(ELSEWHERE):
        return
    schema = any_schema(name)
    assert name in all_types()
    assert schema is not None
    known = RECORDS[name]
    paths = [path for setting in known.settings for path in setting.paths]
    paths += [*known.alone_by, *known.updated_in_place]
    paths += [known.named_within] if known.named_within else []
    paths += known.nodes.values()
    assert [path for path in paths if not schema.node(path)] == []


@pytest.mark.parametrize("name", RECORDS)
def test_the_sentences_of_a_record_can_be_said(name: str):
    """Every placeholder is one that is filled in."""
    values = dict.fromkeys(("name", "path", "was", "now", "members"), "x")
    for setting in RECORDS[name].settings:
        for field, text in vars(setting).items():
            if field.startswith("says"):
                assert "{" not in text.format_map(values)


def test_a_type_without_a_record_holds_data_by_cfn_lint_s_list():
    """A user pool is nothing of ours, and its users are gone with it."""
    assert resource_type("AWS::Cognito::UserPool").holds
    assert resource_type("AWS::SNS::Subscription") == ResourceType()

"""The parameters by which jobs find an environment."""

import pytest

from constructs_lib.job_parameters import JobParameters, parameter_path
from tests.constructs.bare import bare_stack, resources


@pytest.mark.parametrize(
    ("value", "kind", "written"),
    [("ml.p4d.24xlarge", "String", "ml.p4d.24xlarge"), (["a", "b"], "StringList", "a,b")],
)
def test_a_parameter_is_a_text_or_a_list(value: str | list[str], kind: str, written: str):
    """SDKs split a list at its commas, and a launcher wants subnets as a list."""
    stack = bare_stack()
    JobParameters(stack, "Parameters", environment_name="dev", values={"what": value})

    (found,) = resources(stack, "AWS::SSM::Parameter").values()
    assert found["Properties"] == {
        "Name": "/ultracluster/dev/what",
        "Type": kind,
        "Value": written,
    }


def test_environments_do_not_share_a_path():
    """One launcher reads its own environment and no other."""
    assert parameter_path("dev") == "/ultracluster/dev"
    assert parameter_path("dev") != parameter_path("prod")

"""Every construct in somebody else's stack, in every partition, under both rule packs."""

import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template
from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks
from constructs import Construct

import constructs_lib
from tests.constructs.alone import CONSTRUCTS, define
from tests.constructs.bare import bare_stack, listed, text
from tests.constructs.written import WRITTEN, part_of

EVERY_CONSTRUCT = pytest.mark.parametrize("name", CONSTRUCTS)

# Service principals, which are the same in every partition (aws-cdk-lib, standardized names).
PRINCIPALS = {
    "budgets.amazonaws.com",
    "cloudformation.amazonaws.com",
    "cloudwatch.amazonaws.com",
    "ec2.amazonaws.com",
    "imagebuilder.amazonaws.com",
    "lambda.amazonaws.com",
    "logging.s3.amazonaws.com",
    "s3.data-source.lustre.fsx.amazonaws.com",
    "sagemaker.amazonaws.com",
    "states.amazonaws.com",
    "sts.amazonaws.com",  # the audience of a workflow's token, which is a name and no host
    "vpc-flow-logs.amazonaws.com",
}

# As cfn-lint 1.58.0 carries AWS's Service Authorization Reference.
REFERENCE = json.loads(files("cfnlint.data.AdditionalSpecs").joinpath("Policies.json").read_text())
CONDITIONS = {
    ("ArnEquals", "ec2:Vpc"),
    ("ArnLike", "aws:PrincipalArn"),
    ("ArnLike", "aws:SourceArn"),
    ("ArnLike", "kms:EncryptionContext:aws:logs:arn"),
    ("Bool", "aws:SecureTransport"),
    ("Bool", "aws:ViaAWSService"),
    ("ForAllValues:StringEquals", "sagemaker:VpcSecurityGroupIds"),
    ("ForAllValues:StringEquals", "sagemaker:VpcSubnets"),
    ("Null", "s3:x-amz-server-side-encryption-aws-kms-key-id"),
    ("Null", "s3:x-amz-server-side-encryption-customer-algorithm"),
    ("Null", "sagemaker:VpcSecurityGroupIds"),
    ("Null", "sagemaker:VpcSubnets"),
    ("StringEquals", "aws:PrincipalAccount"),
    ("StringEquals", "aws:SourceAccount"),
    ("StringEquals", "iam:PassedToService"),
    ("StringEquals", "kms:CallerAccount"),
    ("StringEquals", "kms:ViaService"),
    ("StringEquals", "token.actions.githubusercontent.com:aud"),
    ("StringEquals", "token.actions.githubusercontent.com:sub"),
    ("StringLike", "cloudwatch:namespace"),
    ("StringNotEquals", "s3:x-amz-server-side-encryption-aws-kms-key-id"),
}
LOGICAL_IDS = Path(__file__).with_name("logical_ids.json")


def statements(part: Any) -> Iterator[dict[str, Any]]:
    """Yield the statements of every policy in a part of a template."""
    match part:
        case {"Statement": list(found), "Version": _}:
            yield from found
        case dict():
            for each in part.values():
                yield from statements(each)
        case list():
            for each in part:
                yield from statements(each)


def test_no_construct_is_left_out():
    """A construct that is added must be used alone here, or nobody has tried it."""
    source = Path(__file__).with_name("alone.py").read_text()
    defined = {
        name
        for module in pkgutil.iter_modules(constructs_lib.__path__, "constructs_lib.")
        if not module.ispkg
        for name, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
        if issubclass(found, Construct) and found.__module__ == module.name
    }

    # A view of what exists, and a part of the network, have tests of their own; the others are what
    # groups, templates and file systems have in common.
    missing = {name for name in defined if f"import {name}" not in source and name not in source}
    assert missing == {
        "Endpoints",
        "ExistingTrainingNetwork",
        "LustreFileSystem",
        "NodeTemplate",
        "OwnSecurityGroup",
    }


@EVERY_CONSTRUCT
def test_a_construct_stands_alone_and_passes_the_rules(name: str, tmp_path: Path):
    """Its exceptions are found at itself, also where the Region is not known.

    A resource whose logical id changes is another one: it is replaced in every stack of somebody
    who takes a new version of the library. `logical_ids.json` is changed by hand, with a "Replaces
    resources" entry in the changelog.
    """
    app = cdk.App(outdir=str(tmp_path))
    stack = cdk.Stack(app, "Somebodys")
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app), NIST80053R5Checks(app))
    define(name, stack)

    app.synth()  # raises at a finding that nobody acknowledged

    template = Template.from_stack(stack).to_json()
    made = {logical_id: found["Type"] for logical_id, found in template["Resources"].items()}
    assert made == json.loads(LOGICAL_IDS.read_text())[name]
    for kind, wanted in WRITTEN.get(name, {}).items():
        for resource in template["Resources"].values():
            if resource["Type"] == kind:
                assert part_of(wanted, resource["Properties"]) == wanted
    for statement in statements(template):
        assert all(action == "*" or exists(action) for action in listed(statement["Action"]))
        for operator, keys in statement.get("Condition", {}).items():
            assert {(operator, key) for key in keys} <= CONDITIONS


def exists(action: str) -> bool:
    """Return whether there is such an action: IAM takes one that is misspelt, and does nothing."""
    service, _, name = action.lower().partition(":")
    known = REFERENCE[service]["Actions"]
    return name in known or (name[-1:] == "*" and any(k.startswith(name[:-1]) for k in known))


@EVERY_CONSTRUCT
@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-northwest-1"])
def test_a_construct_names_no_partition(name: str, region: str):
    """An ARN of the wrong partition is refused, or worse, never matches."""
    stack = bare_stack(region)
    define(name, stack)
    template = dict(Template.from_stack(stack).to_json())

    template.pop("Rules", None)
    words = text(template)
    assert "arn:aws:" not in words
    hosts = set(re.findall(r"[\w.-]*amazonaws\.com[\w.]*", words))
    assert hosts <= PRINCIPALS


def test_endpoints_of_china_have_their_own_names():
    """EC2 knows no `com.amazonaws.cn-northwest-1.ecr.api` (aws-cdk#9864)."""
    stack = bare_stack("cn-northwest-1")
    define("training-network", stack)

    names = {
        endpoint["Properties"]["ServiceName"]
        for endpoint in Template.from_stack(stack).find_resources("AWS::EC2::VPCEndpoint").values()
        if endpoint["Properties"]["VpcEndpointType"] == "Interface"
    }
    assert "cn.com.amazonaws.cn-northwest-1.ecr.api" in names
    assert "com.amazonaws.cn-northwest-1.ssm" in names


def test_china_has_its_own_domain():
    """KMS compares the endpoint that a request came by, and CloudWatch Logs is regional there."""
    stack = bare_stack("cn-northwest-1")
    define("data-key", stack)
    logging = bare_stack("cn-northwest-1")
    define("log-key", logging)

    suffix = {"Ref": "AWS::URLSuffix"}
    assert text({"Fn::Join": ["", ["s3.cn-northwest-1.", suffix]]}) in text(
        Template.from_stack(stack).to_json()
    )
    assert text({"Fn::Join": ["", ["logs.cn-northwest-1.", suffix]]}) in text(
        Template.from_stack(logging).to_json()
    )

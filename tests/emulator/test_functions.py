"""Custom resources, whose functions really run."""

import textwrap

ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
    },
}

PYTHON = """
import boto3
import cfnresponse

def handler(event, context):
    zones = boto3.client("ec2").describe_availability_zones()["AvailabilityZones"]
    cfnresponse.send(event, context, cfnresponse.SUCCESS, {"Zones": len(zones)}, "counted")
"""

NODE = """
const { EC2 } = require("@aws-sdk/client-ec2");
const response = require("cfn-response");
exports.handler = async (event, context) => {
  const found = await new EC2({}).describeAvailabilityZones({});
  await response.send(event, context, "SUCCESS", { Zones: found.AvailabilityZones.length }, "n");
};
"""


def function(runtime, code):
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": runtime,
            "Handler": "index.handler",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Code": {"ZipFile": textwrap.dedent(code)},
        },
    }


def test_inline_functions_find_what_aws_gives_them(cloud):
    """`cfnresponse`, `cfn-response`, boto3 and the SDK are there without being packaged."""
    resources = {
        "Role": ROLE,
        "Python": function("python3.12", PYTHON),
        "Node": function("nodejs22.x", NODE),
        "FromPython": {
            "Type": "Custom::Zones",
            "Properties": {"ServiceToken": {"Fn::GetAtt": ["Python", "Arn"]}},
        },
        "FromNode": {
            "Type": "Custom::Zones",
            "Properties": {"ServiceToken": {"Fn::GetAtt": ["Node", "Arn"]}},
        },
    }
    outputs = {
        name: {"Value": {"Fn::GetAtt": [name, "Zones"]}} for name in ("FromPython", "FromNode")
    }

    stack = cloud.deploy(resources, Outputs=outputs)

    assert stack.status == "CREATE_COMPLETE", stack.reasons()
    assert stack.outputs == {"FromPython": "6", "FromNode": "6"}

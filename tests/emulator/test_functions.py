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

NODE = """
const { EC2 } = require("@aws-sdk/client-ec2");
exports.handler = async (event) => {
  const found = await new EC2({}).describeVpcs({});
  const Data = { Vpcs: found.Vpcs.length };
  const { StackId, RequestId, LogicalResourceId } = event;
  const answer = { StackId, RequestId, LogicalResourceId, PhysicalResourceId: "n" };
  const body = JSON.stringify({ ...answer, Status: "SUCCESS", Reason: "", Data });
  await fetch(event.ResponseURL, { method: "PUT", body });
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


def test_functions_find_the_sdk(cloud):
    """CDK's own functions use it without packaging it."""
    resources = {
        "Role": ROLE,
        "Node": function("nodejs22.x", NODE),
        "FromNode": {
            "Type": "Custom::Vpcs",
            "Properties": {"ServiceToken": {"Fn::GetAtt": ["Node", "Arn"]}},
        },
    }
    outputs = {"Vpcs": {"Value": {"Fn::GetAtt": ["FromNode", "Vpcs"]}}}

    stack = cloud.deploy(resources, Outputs=outputs)

    assert stack.status == "CREATE_COMPLETE", stack.reasons()
    there = cloud.client("ec2").describe_vpcs()["Vpcs"]
    assert stack.outputs == {"Vpcs": str(len(there))}

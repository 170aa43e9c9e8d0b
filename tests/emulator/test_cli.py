"""The real CDK CLI, end to end, with an app as small as it can be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ultracluster.emulator.process import Emulator

CDK = Path(__file__).resolve().parents[2] / "node_modules" / ".bin" / "cdk"

APP = """
import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2


class Network(cdk.Stack):
    @property
    def availability_zones(self):
        return ["us-east-1f"]


app = cdk.App()
network = Network(app, "Net", env=cdk.Environment(account="123456789012", region="us-east-1"))
vpc = ec2.Vpc(network, "Vpc", max_azs=1, nat_gateways=0, restrict_default_security_group=True)
cdk.CfnOutput(network, "Group", value=vpc.vpc_default_security_group)
app.synth()
"""


@pytest.fixture
def emulator():
    """An emulator of its own: bootstrap changes the account."""
    with Emulator() as running:
        yield running


def test_the_cdk_cli_bootstraps_deploys_twice_and_destroys(emulator, tmp_path, cloud):
    """What a user does, and CDK's own custom resource, which must really close the group."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "cdk.json").write_text(json.dumps({"app": f"{sys.executable} app.py"}))
    scripts = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        **emulator.environment(),
        "PATH": os.pathsep.join((scripts, os.environ["PATH"])),
        "CDK_VALIDATION": "false",
    }

    def cdk(*arguments):
        return subprocess.run(
            [CDK, *arguments, "--ci"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    cdk("synth", "--quiet")
    assembly = ("--app", "cdk.out")
    first = cdk("bootstrap", *assembly, "aws://123456789012/us-east-1")
    assert first.returncode == 0, first.stdout
    deployed = cdk("deploy", *assembly, "--all", "--require-approval", "never")
    assert deployed.returncode == 0, deployed.stdout
    seen = type(cloud)(emulator, cloud.faults)
    outputs = seen.client("cloudformation").describe_stacks(StackName="Net")["Stacks"][0]["Outputs"]
    group_id = next(each["OutputValue"] for each in outputs if each["OutputKey"] == "Group")
    (group,) = seen.client("ec2").describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
    assert (group["IpPermissions"], group["IpPermissionsEgress"]) == ([], [])
    again = cdk("deploy", *assembly, "--all", "--require-approval", "never")
    assert "(no changes)" in again.stdout
    destroyed = cdk("destroy", *assembly, "--all", "--force")
    assert destroyed.returncode == 0, destroyed.stdout
    assert not emulator.report().problems

"""One emulator, many accounts and Regions."""

from typing import Any

VPC = {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}}}
RESERVED: dict[str, Any] = {
    "Type": "AWS::EC2::CapacityReservation",
    "Properties": {
        "InstanceType": "p4d.24xlarge",
        "InstancePlatform": "Linux/UNIX",
        "InstanceCount": 1,
        "AvailabilityZoneId": "usw2-az2",
    },
}


def ranges(cloud):
    return {vpc["CidrBlock"] for vpc in cloud.client("ec2").describe_vpcs()["Vpcs"]}


def test_regions_do_not_see_each_other(cloud):
    """Two environments in two Regions share an account and nothing else."""
    west = cloud.elsewhere(region="us-west-2")

    stack = west.deploy({**VPC, "Reserved": RESERVED}, name="same-name")

    assert stack.status == "CREATE_COMPLETE"
    assert "10.9.0.0/16" in ranges(west)
    assert "10.9.0.0/16" not in ranges(cloud)
    found = cloud.client("ec2").describe_capacity_reservations()["CapacityReservations"]
    assert stack.physical_id("Reserved") not in {row["CapacityReservationId"] for row in found}


def test_a_region_knows_its_partition(cloud):
    """ARNs that are written with `aws` break in China and in GovCloud."""
    value = {"Fn::Sub": "arn:${AWS::Partition}:s3:::data.${AWS::URLSuffix}"}
    parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}}
    china = cloud.elsewhere(region="cn-north-1")

    stack = china.deploy({"Arn": parameter}, Outputs={"It": {"Value": {"Ref": "AWS::Partition"}}})

    assert stack.outputs["It"] == "aws-cn"
    found = china.client("ssm").get_parameter(Name=stack.physical_id("Arn"))["Parameter"]
    assert found["Value"] == "arn:aws-cn:s3:::data.amazonaws.com.cn"


def test_a_role_is_in_the_partition_of_its_region(cloud):
    """SageMaker in GovCloud refuses a role whose ARN begins with `arn:aws:`."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}}
    government = cloud.elsewhere(region="us-gov-west-1")

    stack = government.deploy(
        {"Role": role}, Outputs={"Arn": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}}
    )

    found = government.client("iam").get_role(RoleName=stack.physical_id("Role"))["Role"]
    assert found["Arn"].startswith("arn:aws-us-gov:iam::")
    assert stack.outputs["Arn"] == found["Arn"]


def test_accounts_do_not_see_each_other(cloud):
    """Production lives in an account of its own."""
    other = cloud.elsewhere(account="210987654321")
    arn = {"Fn::GetAtt": ["Reserved", "CapacityReservationArn"]}
    here = {**RESERVED, "Properties": {**RESERVED["Properties"], "AvailabilityZoneId": "use1-az6"}}

    stack = other.deploy(
        {**VPC, "Reserved": here}, name="same-name", Outputs={"Arn": {"Value": arn}}
    )

    assert stack.status == "CREATE_COMPLETE"
    assert ":us-east-1:210987654321:" in stack.outputs["Arn"]
    assert "10.9.0.0/16" not in ranges(cloud)
    assert other.client("sts").get_caller_identity()["Account"] == "210987654321"

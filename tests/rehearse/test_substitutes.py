"""What an environment takes from a user's account is made in the emulated AWS in its place."""

from tests.stacks.synthesized import existing
from ultracluster.aws import Account
from ultracluster.emulator.process import Emulator
from ultracluster.rehearse.substitutes import substitute_network


def test_a_vpc_of_the_same_shape_is_made(emulator: Emulator):
    """Every subnet is of that VPC, in its zone, and has a route table if the user's has one."""
    wanted = existing("use1-az6")
    cloud = Account("us-east-1", emulator.environment() | {"AWS_ACCESS_KEY_ID": f"{71:012d}"})
    made = substitute_network(cloud, wanted)
    subnets = cloud.ask("ec2", "describe_subnets")["Subnets"]
    tables = cloud.ask("ec2", "describe_route_tables")["RouteTables"]
    table_of = {
        each["SubnetId"]: table["RouteTableId"]
        for table in tables
        for each in table["Associations"]
        if "SubnetId" in each
    }

    assert [each.cidr for each in made.training_subnets] == [
        each.cidr for each in wanted.training_subnets
    ]
    for each in made.training_subnets:
        (found,) = (row for row in subnets if row["SubnetId"] == each.subnet_id)
        assert (found["VpcId"], found["CidrBlock"]) == (made.vpc_id, each.cidr)
        assert found["AvailabilityZoneId"] == "use1-az6"
        assert table_of[each.subnet_id] == each.route_table_id

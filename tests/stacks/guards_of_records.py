"""What keeps records of traffic, starts, file systems and jobs, and who is told of what happens."""

from tests.stacks.guards_of_roles import subnets_of_nodes
from tests.stacks.synthesized import Synthesis
from ultracluster.catalogue.slurm import LOG_TYPES


def traffic_and_starts_are_logged(made: Synthesis) -> None:
    """Of the network, the state machine and the file system, in groups of the environment."""
    groups = [name for name, _ in made.named("AWS::Logs::LogGroup")]
    roles = [{"Fn::GetAtt": [name, "Arn"]} for name, _ in made.named("AWS::IAM::Role")]
    for _, flow in made.named("AWS::EC2::FlowLog"):
        given = flow["Properties"]
        assert (given["ResourceType"], given["LogDestinationType"]) == ("VPC", "cloud-watch-logs")
        assert given["LogGroupName"]["Ref"] in groups
        assert given["DeliverLogsPermissionArn"] in roles
    for _, machine in made.named("AWS::StepFunctions::StateMachine"):
        logging = machine["Properties"]["LoggingConfiguration"]
        (log,) = logging["Destinations"]
        assert log["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0] in groups
        assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", True)
        assert machine["Properties"]["RoleArn"] in roles
    for _, system in made.named("AWS::FSx::FileSystem"):
        logging = system["Properties"]["LustreConfiguration"]["LogConfiguration"]
        assert logging["Level"] == "WARN_ERROR"
        assert logging["Destination"]["Fn::Join"][1][-1]["Ref"] in groups


def jobs_of_slurm_are_recorded(made: Synthesis) -> None:
    """Who used the nodes, for as long as was asked for; and each log of PCS's, in its group."""
    groups = [{"Fn::GetAtt": [name, "Arn"]} for name, _ in made.named("AWS::Logs::LogGroup")]
    destinations = {
        name: each["Properties"]["DestinationResourceArn"]
        for name, each in made.named("AWS::Logs::DeliveryDestination")
    }
    sources = {n: each["Properties"] for n, each in made.named("AWS::Logs::DeliverySource")}
    deliveries = [each["Properties"] for _, each in made.named("AWS::Logs::Delivery")]
    for name, cluster in made.named("AWS::PCS::Cluster"):
        assert made.environment.slurm is not None
        days = made.environment.slurm.accounting_days
        kept = {"Mode": "STANDARD", "DefaultPurgeTimeInDays": days}
        accounting = cluster["Properties"]["SlurmConfiguration"]["Accounting"]
        assert accounting == ({"Mode": "NONE"} if days is None else kept)
        sent = [sources[each["DeliverySourceName"]["Ref"]] for each in deliveries]
        assert sorted(each["LogType"] for each in sent) == sorted(LOG_TYPES)
        assert all(each["ResourceArn"] == {"Fn::GetAtt": [name, "Arn"]} for each in sent)
        taken = [each["DeliveryDestinationArn"]["Fn::GetAtt"][0] for each in deliveries]
        assert len(set(taken)) == len(LOG_TYPES)
        assert all(destinations[each] in groups for each in taken)


def topics_reach_who_is_named(made: Synthesis) -> None:
    """Alarms go to a topic of the environment or of the user's, and it has those who are named."""
    topics = [{"Ref": name} for name, _ in made.named("AWS::SNS::Topic")]
    named = made.environment.budget.notify
    for _, alarm in made.named("AWS::CloudWatch::Alarm"):
        for action in alarm["Properties"]["AlarmActions"]:
            assert action in topics or action in named
    mails = [each for each in named if "@" in each]
    given = [each["Properties"] for _, each in made.named("AWS::SNS::Subscription")]
    assert sorted(each["Endpoint"] for each in given) == sorted(mails)
    assert all(each["Protocol"] == "email" and each["TopicArn"] in topics for each in given)
    open_to = [
        topic
        for _, policy in made.named("AWS::SNS::TopicPolicy")
        for topic in policy["Properties"]["Topics"]
    ]
    assert sorted(map(str, open_to)) == sorted(map(str, topics))


def idle_capacity_is_told_of_within_minutes(made: Synthesis) -> None:
    """It is paid for; where its metric is missing nothing runs on it."""
    own = [{"Ref": name} for name, _ in made.named("AWS::EC2::CapacityReservation")]
    fabrics = made.environment.fabrics().values()
    bought = [
        each.capacity_reservation.capacity_reservation_id
        for each in fabrics
        if each.capacity_reservation is not None
    ]
    for _, alarm in made.named("AWS::CloudWatch::Alarm"):
        given = alarm["Properties"]
        if given.get("MetricName") != "InstanceUtilization":
            continue
        assert given["ComparisonOperator"] == "LessThanThreshold"
        assert (given["TreatMissingData"], given["Statistic"]) == ("breaching", "Average")
        assert given["Namespace"] == "AWS/EC2CapacityReservations"
        assert given["Period"] * given["EvaluationPeriods"] == 10 * 60
        (which,) = given["Dimensions"]
        assert which["Name"] == "CapacityReservationId"
        assert which["Value"] in [*own, *bought]


def what_is_read_from_s3_takes_no_nat_gateway(made: Synthesis) -> None:
    """A NAT gateway charges each gigabyte, the gateway endpoint none."""
    nodes = [subnet["Fn::GetAtt"][0] for subnet in subnets_of_nodes(made) if "Fn::GetAtt" in subnet]
    tables = {
        each["Properties"]["SubnetId"]["Fn::GetAtt"][0]: each["Properties"]["RouteTableId"]
        for _, each in made.named("AWS::EC2::SubnetRouteTableAssociation")
    }
    led = [
        table
        for _, endpoint in made.named("AWS::EC2::VPCEndpoint")
        if endpoint["Properties"]["VpcEndpointType"] == "Gateway"
        for table in endpoint["Properties"]["RouteTableIds"]
    ]
    assert all(tables[node] in led for node in nodes)


RECORDS = (
    traffic_and_starts_are_logged,
    jobs_of_slurm_are_recorded,
    topics_reach_who_is_named,
    idle_capacity_is_told_of_within_minutes,
    what_is_read_from_s3_takes_no_nat_gateway,
)

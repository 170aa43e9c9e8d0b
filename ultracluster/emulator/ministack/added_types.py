"""Types whose API MiniStack has and whose CloudFormation it lacks."""

from dataclasses import replace
from typing import Any, Final

from ultracluster.emulator.ministack import internals, network
from ultracluster.emulator.ministack.calls import checked, ec2, existing, gone_or_here
from ultracluster.emulator.provisioning import Order, Resource, ec2_refusal, tag_specifications
from ultracluster.emulator.reservations import require_empty


class Budget:
    """A budget with its notifications: `Ref` is the name."""

    def create(self, order: Order) -> Resource:
        given = order.properties
        budget = dict(given["Budget"])
        budget.setdefault("BudgetName", order.generated_name)
        notifications = given.get("NotificationsWithSubscribers") or []
        self._call("Create", order, Budget=budget, NotificationsWithSubscribers=notifications)
        return Resource(str(budget["BudgetName"]), {"Id": budget["BudgetName"]})

    def update(self, physical_id: str, order: Order) -> Resource:
        """Change the budget; its notifications are create-only in the registry."""
        budget = {**order.properties["Budget"], "BudgetName": physical_id}
        self._call("Update", order, NewBudget=budget)
        return Resource(physical_id, {"Id": physical_id})

    def delete(self, physical_id: str, order: Order) -> None:
        with gone_or_here():
            self._call("Delete", order, BudgetName=physical_id)

    def _call(self, verb: str, order: Order, **arguments: Any) -> None:
        call = internals.budgets._DISPATCH[f"{verb}Budget"]
        checked("Budgets", call({"AccountId": order.scope.account, **arguments}))


MEASURED: Final = {
    "Namespace": "-",
    "MetricName": "-",
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 0,
}
"""What MiniStack asks of every alarm, and AWS of those of a metric alone."""
ASKING: Final = {"EvaluationCriteria", "EvaluationInterval", "Metrics"}
"""Of alarms that ask by PromQL, or by a query of Metrics Insights."""


def measuring(order: Order) -> Order:
    """Return an alarm that MiniStack takes: it knows none that asks by a query."""
    if ASKING.isdisjoint(order.properties):
        return order
    plain = {name: value for name, value in order.properties.items() if name != "Metrics"}
    return replace(order, properties={**MEASURED, **plain})


def ask(name: str, order: Order) -> dict[str, Any]:
    """Have such an alarm ask as its template says."""
    if not ASKING.isdisjoint(order.properties):
        alarm = internals.cloudwatch._alarms[name]
        asked_of_metrics = {*MEASURED, "Statistic", "Period", "EvaluationPeriods", "Dimensions"}
        for member in asked_of_metrics - order.properties.keys():
            alarm.pop(member, None)
        alarm.update({key: order.properties[key] for key in ASKING & order.properties.keys()})
    return {}


class InstanceProfile:
    """`AWS::IAM::InstanceProfile`: `Ref` is the name, although MiniStack's is the ARN."""

    def __init__(self) -> None:
        self._inner = existing("AWS::IAM::InstanceProfile")

    def create(self, order: Order) -> Resource:
        made = self._inner.create(order)
        return Resource(made.physical_id.rsplit("/", 1)[-1], made.attributes)

    def update(self, physical_id: str, order: Order) -> Resource:
        return Resource(physical_id, self._inner.update(_arn(physical_id), order).attributes)

    def delete(self, physical_id: str, order: Order) -> None:
        self._inner.delete(_arn(physical_id), order)


def _arn(name: str) -> str:
    return str((internals.iam._instance_profiles.get(name) or {}).get("Arn", name))


class _Tagged:
    """What nothing but the tags can be changed of in place."""

    def attributes(self, physical_id: str) -> dict[str, Any]:
        return {"Id": physical_id}

    def update(self, physical_id: str, order: Order) -> Resource:
        attributes = self.attributes(physical_id)
        tagged = attributes.get("AllocationId", physical_id)
        internals.provisioners._ec2_apply_tags(tagged, order.properties, order.previous)
        return Resource(physical_id, attributes)


class ElasticIp(_Tagged):
    """`AWS::EC2::EIP`: `Ref` is the address."""

    def attributes(self, physical_id: str) -> dict[str, Any]:
        return {"AllocationId": _address(physical_id).get("AllocationId"), "PublicIp": physical_id}

    def create(self, order: Order) -> Resource:
        tags = tag_specifications(order.properties, "elastic-ip")
        answer = ec2("AllocateAddress", Domain="vpc", TagSpecifications=tags or None)
        return Resource(answer["PublicIp"], self.attributes(answer["PublicIp"]))

    def delete(self, physical_id: str, order: Order) -> None:
        del order
        address = _address(physical_id)
        if address.get("AssociationId"):
            words = f"Address {address['AllocationId']} is in use."
            raise ec2_refusal("InvalidIPAddress.InUse", words)
        if address:
            ec2("ReleaseAddress", AllocationId=address["AllocationId"])


class NatGateway(_Tagged):
    """`AWS::EC2::NatGateway`, with its interface and its address."""

    def attributes(self, physical_id: str) -> dict[str, Any]:
        (address,) = internals.ec2._nat_gateways[physical_id]["NatGatewayAddresses"]
        return {"NatGatewayId": physical_id, "EniId": address["NetworkInterfaceId"]}

    def create(self, order: Order) -> Resource:
        properties = order.properties
        subnet_id = str(properties.get("SubnetId"))
        network.required_subnet("Ec2", subnet_id)
        allocation_id = properties.get("AllocationId")
        address = _allocation(allocation_id) if allocation_id else None
        answer = ec2(
            "CreateNatGateway",
            SubnetId=subnet_id,
            AllocationId=allocation_id,
            ConnectivityType=properties.get("ConnectivityType"),
            TagSpecifications=tag_specifications(properties, "natgateway") or None,
        )
        gateway_id = answer["NatGateway"]["NatGatewayId"]
        what = f"Interface for NAT Gateway {gateway_id}"
        interface_id = network.add_interface(subnet_id, [], what, "amazon-nat")
        record = internals.ec2._nat_gateways[gateway_id]
        own = {
            "AllocationId": allocation_id,
            "PublicIp": address and address["PublicIp"],
            "NetworkInterfaceId": interface_id,
            "IsPrimary": True,
            "Status": "succeeded",
        }
        record["NatGatewayAddresses"] = [own]
        if address is not None:
            address["AssociationId"] = f"eipassoc-{interface_id.removeprefix('eni-')}"
            address["NetworkInterfaceId"] = interface_id
        return Resource(gateway_id, self.attributes(gateway_id))

    def delete(self, physical_id: str, order: Order) -> None:
        del order
        record = internals.ec2._nat_gateways.get(physical_id)
        if record is None or record["State"] == "deleted":
            return
        ec2("DeleteNatGateway", NatGatewayId=physical_id)
        for each in record.get("NatGatewayAddresses", ()):
            network.remove_interfaces([each["NetworkInterfaceId"]])
            address = internals.ec2._addresses.get(each["AllocationId"])
            if address is not None:
                address["AssociationId"] = address["NetworkInterfaceId"] = None


class FlowLog(_Tagged):
    """`AWS::EC2::FlowLog`."""

    def create(self, order: Order) -> Resource:
        given = order.properties
        stated = {name: given.get(name) for name in FLOW_LOG}
        stated |= {"TagSpecifications": tag_specifications(given, "vpc-flow-log") or None}
        answer = ec2("CreateFlowLogs", ResourceIds=[given["ResourceId"]], **stated)
        flow_log_id = answer["FlowLogIds"][0]
        kept = ("LogGroupName", "DeliverLogsPermissionArn", "MaxAggregationInterval")
        internals.ec2._flow_logs[flow_log_id].update({name: given.get(name) for name in kept})
        internals.provisioners._ec2_apply_tags(flow_log_id, given, None)
        return Resource(flow_log_id, self.attributes(flow_log_id))

    def delete(self, physical_id: str, order: Order) -> None:
        del order
        ec2("DeleteFlowLogs", FlowLogIds=[physical_id])


FLOW_LOG: Final = (
    *("ResourceType", "TrafficType", "LogGroupName", "LogDestination", "LogDestinationType"),
    "DeliverLogsPermissionArn",
)
"""What EC2's call names as CloudFormation does."""


class PlacementGroup(_Tagged):
    """`AWS::EC2::PlacementGroup`: `Ref` is the generated name."""

    def attributes(self, physical_id: str) -> dict[str, Any]:
        group = network.placement_group(physical_id) or {}
        return {"GroupName": physical_id, "GroupId": group.get("GroupId")}

    def create(self, order: Order) -> Resource:
        given, name = order.properties, order.generated_name
        ec2(
            "CreatePlacementGroup",
            GroupName=name,
            Strategy=given.get("Strategy"),
            PartitionCount=given.get("PartitionCount"),
            TagSpecifications=tag_specifications(given, "placement-group") or None,
        )
        return Resource(name, self.attributes(name))

    def delete(self, physical_id: str, order: Order) -> None:
        require_empty(order.scope, physical_id)
        if network.placement_group(physical_id) is not None:
            ec2("DeletePlacementGroup", GroupName=physical_id)


def _address(public_ip: str) -> dict[str, Any]:
    every: list[dict[str, Any]] = list(internals.ec2._addresses.values())
    return next((each for each in every if each["PublicIp"] == public_ip), {})


def _allocation(allocation_id: str) -> dict[str, Any]:
    found: dict[str, Any] | None = internals.ec2._addresses.get(allocation_id)
    if found is None:
        words = f"The allocation ID '{allocation_id}' does not exist"
        raise ec2_refusal("InvalidAllocationID.NotFound", words)
    if found.get("AssociationId"):
        words = f"Elastic IP address [{allocation_id}] is already associated"
        raise ec2_refusal("Resource.AlreadyAssociated", words)
    return found

"""SageMaker HyperPod clusters (`AWS::SageMaker::Cluster`).

Modelled: the request's constraints by SageMaker's own model, the interfaces in the VPC, describe
and list calls. Not modelled: nodes; each group reports its target count as running.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.emulator import wire
from ultracluster.emulator.ledger import Ledger, Record, Scope
from ultracluster.emulator.network import Network, required_groups, required_subnet
from ultracluster.emulator.provisioning import Order, Resource, ServiceError, hexadecimal

CLUSTER: Final = "AWS::SageMaker::Cluster"


@dataclass(frozen=True)
class HyperPodClusters:
    """`AWS::SageMaker::Cluster`: `Ref` is the ARN."""

    ledger: Ledger
    network: Network

    def create(self, order: Order) -> Resource:
        """Make a cluster; each instance group gets one interface in each subnet of its VPC."""
        given = dict(order.properties)
        name = str(given.get("ClusterName") or order.generated_name[-63:].lstrip("-"))
        if any(record.properties["ClusterName"] == name for record in self._all(order.scope)):
            raise ServiceError(
                "SageMaker", "ResourceInUse", f"Cluster with name {name} already exists"
            )
        given["ClusterName"] = name
        wire.require_constraints("sagemaker", "CreateCluster", given)
        arn = order.scope.arn("sagemaker", f"cluster/{hexadecimal(12)}")
        record = Record(CLUSTER, arn, order.scope, given)
        record.state = {"interfaces": self._interfaces(given, name)}
        record.attributes = {
            "ClusterArn": arn,
            "ClusterStatus": "InService",
            "CreationTime": record.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "FailureMessage": "",
        }
        self.ledger.keep(record)
        return Resource(arn, dict(record.attributes))

    def update(self, physical_id: str, order: Order, previous: Mapping[str, Any]) -> Resource:
        """Change the instance groups."""
        del previous
        record = self.required(order.scope, physical_id)
        name = record.properties["ClusterName"]
        record.properties = {**order.properties, "ClusterName": name}
        return Resource(physical_id, dict(record.attributes))

    def delete(self, physical_id: str, order: Order) -> None:
        """Remove the cluster."""
        record = self.ledger.forget(order.scope, CLUSTER, physical_id)
        if record is not None:
            self.network.remove_interfaces(record.state["interfaces"])

    @property
    def operations(self) -> Mapping[str, wire.Operation]:
        """The operations that are answered, by name."""
        return {"DescribeCluster": self.describe, "ListClusters": self.list_clusters}

    def describe(self, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
        """Answer DescribeCluster, by name or ARN."""
        record = self.required(scope, str(arguments["ClusterName"]))
        groups = [
            {
                **group,
                "CurrentCount": group.get("InstanceCount", 0),
                "TargetCount": group.get("InstanceCount", 0),
                "Status": "InService",
            }
            for group in record.properties.get("InstanceGroups") or ()
        ]
        return {**record.properties, **_summary(record), "InstanceGroups": groups}

    def list_clusters(self, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
        """Answer ListClusters."""
        wanted = str(arguments.get("NameContains", ""))
        rows = [_summary(record) for record in self._all(scope)]
        return {"ClusterSummaries": [row for row in rows if wanted in str(row["ClusterName"])]}

    def required(self, scope: Scope, identifier: str) -> Record:
        """Return a cluster by name or ARN.

        Raises:
            ServiceError: where there is none.
        """
        for record in self._all(scope):
            if identifier in (record.physical_id, record.properties["ClusterName"]):
                return record
        raise ServiceError(
            "SageMaker", "ResourceNotFound", f"Cluster with name {identifier} not found"
        )

    def _all(self, scope: Scope) -> list[Record]:
        return list(self.ledger.of_type(scope, CLUSTER))

    def _interfaces(self, given: Mapping[str, Any], name: str) -> list[str]:
        made = []
        for group in given.get("InstanceGroups") or ():
            vpc = group.get("OverrideVpcConfig") or given.get("VpcConfig") or {}
            for subnet_id in vpc.get("Subnets") or ():
                subnet = required_subnet(self.network, "SageMaker", str(subnet_id))
                groups = required_groups(
                    self.network, "SageMaker", vpc["SecurityGroupIds"], str(subnet["VpcId"])
                )
                made.append(
                    self.network.add_interface(
                        str(subnet_id),
                        [str(each["GroupId"]) for each in groups],
                        f"HyperPod {name} {group.get('InstanceGroupName', '')}",
                        "amazon-sagemaker",
                    )
                )
        return made


def _summary(record: Record) -> dict[str, Any]:
    return {
        "ClusterArn": record.physical_id,
        "ClusterName": record.properties["ClusterName"],
        "ClusterStatus": "InService",
        "CreationTime": record.created,
    }

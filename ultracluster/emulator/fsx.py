"""Amazon FSx for Lustre: file systems and data repository associations.

What is modelled: the rules of creation, the network interfaces in the subnet (which keep its
groups and subnet from being deleted), the describe calls, tags, growth. What is not: the minutes
that AWS takes (here everything is available at once), backups, tasks, and file systems other
than Lustre, which are stored as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.catalogue import lustre
from ultracluster.catalogue.lustre_associations import association_problems
from ultracluster.emulator import semantics, wire
from ultracluster.emulator.ministack import network
from ultracluster.emulator.provisioning import (
    LEDGER,
    Order,
    Record,
    Resource,
    Scope,
    fsx_refusal,
    hexadecimal,
    tags_of,
)

FILE_SYSTEM: Final = "AWS::FSx::FileSystem"
LUSTRE: Final = "LUSTRE"
ASSOCIATION: Final = "AWS::FSx::DataRepositoryAssociation"
INTERFACES: Final = 2
"""Interfaces of a file system. AWS's number grows with the capacity and is not documented."""


class FileSystems:
    """`AWS::FSx::FileSystem`."""

    def create(self, order: Order) -> Resource:
        scope, given = order.scope, dict(order.properties)
        subnet, *_ = (network.required_subnet("Fsx", each) for each in given["SubnetIds"])
        _require_sold(given)
        groups = network.required_groups("Fsx", given.get("SecurityGroupIds"), subnet)
        if given.get("FileSystemType") == LUSTRE:
            semantics.require_lustre_traffic(groups, str(subnet["CidrBlock"]))
        file_system_id = f"fs-{hexadecimal()}"
        where = (subnet["SubnetId"], groups)
        what = f"Created by Amazon FSx for file system {file_system_id}"
        interfaces = [network.add_interface(*where, what, "amazon-fsx") for _ in range(INTERFACES)]
        record = Record(FILE_SYSTEM, file_system_id, scope, given)
        record.state = {"interfaces": interfaces, "vpc": subnet["VpcId"]}
        record.attributes = {
            "Id": file_system_id,
            "DNSName": f"{file_system_id}.fsx.{scope.region}.amazonaws.com",
            "LustreMountName": hexadecimal(8),
            "ResourceARN": scope.arn("fsx", f"file-system/{file_system_id}"),
            "RootVolumeId": "",
        }
        LEDGER.keep(record)
        return Resource(file_system_id, dict(record.attributes))

    def update(self, physical_id: str, order: Order) -> Resource:
        """Change a file system; its capacity can only grow."""
        record = _required(order.scope, FILE_SYSTEM, physical_id)
        given = dict(order.properties)
        _require_sold(given)
        before, after = order.previous.get("StorageCapacity"), given.get("StorageCapacity")
        if isinstance(before, int) and isinstance(after, int) and after < before:
            words = f"The requested storage capacity {after} GiB must be greater than the current "
            raise fsx_refusal("BadRequest", f"{words}{before} GiB")
        # What UpdateFileSystem has no member for, and CloudFormation does not replace for.
        fabric = [(each.get("LustreConfiguration") or {}) for each in (order.previous, given)]
        if len({bool(each.get("EfaEnabled")) for each in fabric}) > 1:
            words = "EfaEnabled cannot be changed once a file system exists"
            raise fsx_refusal("BadRequest", words)
        record.properties = given
        return Resource(physical_id, dict(record.attributes))

    def delete(self, physical_id: str, order: Order) -> None:
        record = LEDGER.forget(order.scope, FILE_SYSTEM, physical_id)
        if record is None:
            return
        network.remove_interfaces(record.state["interfaces"])
        for association in LEDGER.of_type(order.scope, ASSOCIATION):
            if association.properties["FileSystemId"] == physical_id:
                LEDGER.forget(order.scope, ASSOCIATION, association.physical_id)


@dataclass(frozen=True)
class Associations:
    """`AWS::FSx::DataRepositoryAssociation`.

    Several of one file system that CloudFormation makes at once time out now and then
    (aws-parallelcluster pull request 6649, read 2026-11-26); here they always do.
    """

    made_at_once: Callable[[Order], Sequence[str]]

    def create(self, order: Order) -> Resource:
        given = dict(order.properties)
        file_system = _required(order.scope, FILE_SYSTEM, str(given["FileSystemId"]))
        others = [
            record.properties
            for record in LEDGER.of_type(order.scope, ASSOCIATION)
            if record.properties["FileSystemId"] == given["FileSystemId"]
        ]
        if others and (together := self.made_at_once(order)):
            words = f"{order.logical_id} timed out: it was created at the same time as "
            words += f"{', '.join(together)} of the same file system"
            raise fsx_refusal("NotStabilized", words)
        problems = association_problems(file_system.properties, [*others, given])
        semantics.refuse("Fsx", "BadRequest", problems)
        association_id = f"dra-{hexadecimal()}"
        arn = order.scope.arn("fsx", f"association/{given['FileSystemId']}/{association_id}")
        record = Record(ASSOCIATION, association_id, order.scope, given)
        record.attributes = {"AssociationId": association_id, "ResourceARN": arn}
        LEDGER.keep(record)
        return Resource(association_id, dict(record.attributes))

    def update(self, physical_id: str, order: Order) -> Resource:
        record = _required(order.scope, ASSOCIATION, physical_id)
        record.properties = dict(order.properties)
        return Resource(physical_id, dict(record.attributes))

    def delete(self, physical_id: str, order: Order) -> None:
        LEDGER.forget(order.scope, ASSOCIATION, physical_id)


def describe_file_systems(scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
    wanted = arguments.get("FileSystemIds")
    records = [_required(scope, FILE_SYSTEM, each) for each in wanted or ()]
    found = records if wanted else LEDGER.of_type(scope, FILE_SYSTEM)
    return {"FileSystems": [_file_system(record) for record in found]}


def describe_associations(scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
    wanted = arguments.get("AssociationIds") or ()
    file_systems = {
        value
        for each in arguments.get("Filters") or ()
        if each.get("Name") == "file-system-id"
        for value in each.get("Values") or ()
    }
    rows = [
        {
            **record.properties,
            "AssociationId": record.physical_id,
            "ResourceARN": record.attributes["ResourceARN"],
            "Lifecycle": "AVAILABLE",
            "CreationTime": record.created,
            "Tags": tags_of(record.properties),
        }
        for record in LEDGER.of_type(scope, ASSOCIATION)
        if (not wanted or record.physical_id in wanted)
        and (not file_systems or record.properties["FileSystemId"] in file_systems)
    ]
    return {"Associations": rows}


def delete_file_system(scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
    file_system_id = arguments["FileSystemId"]
    record = _required(scope, FILE_SYSTEM, file_system_id)
    order = Order(FILE_SYSTEM, scope, "", file_system_id, record.properties)
    FileSystems().delete(file_system_id, order)
    return {"FileSystemId": file_system_id, "Lifecycle": "DELETING"}


OPERATIONS: Final[Mapping[str, wire.Operation]] = {
    "DescribeFileSystems": describe_file_systems,
    "DescribeDataRepositoryAssociations": describe_associations,
    "DeleteFileSystem": delete_file_system,
}


def _file_system(record: Record) -> dict[str, Any]:
    given = record.properties
    configuration: dict[str, Any] = {
        "DeploymentType": "SCRATCH_1",
        "DataCompressionType": "NONE",
        **(given.get("LustreConfiguration") or {}),
        "MountName": record.attributes["LustreMountName"],
    }
    log = configuration.get("LogConfiguration")
    if isinstance(log, Mapping) and log.get("Destination"):
        # FSx answers a log group's ARN without the `:*` that CloudFormation's attribute ends in.
        destination = str(log["Destination"]).removesuffix(":*")
        configuration["LogConfiguration"] = {**log, "Destination": destination}
    names = ("FileSystemType", "FileSystemTypeVersion", "StorageCapacity", "SubnetIds", "KmsKeyId")
    return {
        **{name: given.get(name) for name in names},
        "OwnerId": record.scope.account,
        "CreationTime": record.created,
        "FileSystemId": record.physical_id,
        "Lifecycle": "AVAILABLE",
        "StorageType": given.get("StorageType", "SSD"),
        "VpcId": record.state["vpc"],
        "NetworkInterfaceIds": record.state["interfaces"],
        "DNSName": record.attributes["DNSName"],
        "ResourceARN": record.attributes["ResourceARN"],
        "Tags": tags_of(given),
        "LustreConfiguration": configuration,
    }


def _require_sold(given: Mapping[str, Any]) -> None:
    if given.get("FileSystemType") == LUSTRE:
        semantics.refuse("Fsx", "BadRequest", lustre.problems(given))


def _required(scope: Scope, kind: str, physical_id: str) -> Record:
    record = LEDGER.find(scope, kind, physical_id)
    if record is None:
        code = f"{kind.rpartition('::')[2]}NotFound"
        raise fsx_refusal(code, f"'{physical_id}' does not exist.")
    return record

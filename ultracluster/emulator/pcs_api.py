"""What AWS PCS's get and list calls answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ultracluster.emulator import wire
from ultracluster.emulator.pcs import CLUSTER, NOUNS, children, found, identifiers, not_found
from ultracluster.emulator.provisioning import Ledger, Record, Scope

TIMESTAMP: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Api:
    """The get and list calls."""

    ledger: Ledger

    @property
    def operations(self) -> Mapping[str, wire.Operation]:
        found: dict[str, wire.Operation] = {"ListTagsForResource": self._tags}
        for kind in NOUNS:
            name = kind.rpartition("::")[2]
            found[f"Get{name}"] = partial(self._get, kind)
            found[f"List{name}s"] = partial(self._list, kind)
        return found

    def _get(self, kind: str, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
        identifier = str(arguments[f"{NOUNS[kind]}Identifier"])
        for record in self._rows(kind, scope, arguments):
            if identifier in identifiers(record):
                return {NOUNS[kind]: description(record)}
        raise not_found(NOUNS[kind], identifier)

    def _list(self, kind: str, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
        return {f"{NOUNS[kind]}s": [description(r) for r in self._rows(kind, scope, arguments)]}

    def _rows(self, kind: str, scope: Scope, arguments: wire.Arguments) -> list[Record]:
        """Return all of a kind, of one cluster where it has clusters: names are its own."""
        parent = arguments.get("clusterIdentifier")
        if kind == CLUSTER or not parent:
            return list(self.ledger.of_type(scope, kind))
        cluster = found(self.ledger, scope, CLUSTER, str(parent))
        return children(self.ledger, scope, kind, cluster.state["id"])

    def _tags(self, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
        for kind in NOUNS:
            record = self.ledger.find(scope, kind, str(arguments["resourceArn"]))
            if record is not None:
                return {"tags": dict(record.properties.get("Tags") or {})}
        raise not_found("resource", str(arguments["resourceArn"]))


def description(record: Record) -> dict[str, Any]:
    shown: dict[str, Any] = wire.camel(record.properties)
    if template := shown.get("customLaunchTemplate"):
        template["id"] = template.pop("templateId")
    if record.type_name == CLUSTER:
        slurm = shown.get("slurmConfiguration") or {}
        shown["slurmConfiguration"] = {**slurm, "authKey": record.state["authKey"]}
        shown["endpoints"] = []
    timestamp = record.created.strftime(TIMESTAMP)
    return {
        **shown,
        "id": record.state["id"],
        "arn": record.physical_id,
        "status": "ACTIVE",
        "createdAt": timestamp,
        "modifiedAt": timestamp,
        "errorInfo": record.state.get("errors", []),
        "purchaseOption": shown.get("purchaseOption", "ONDEMAND"),
    }

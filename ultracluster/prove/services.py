"""What a service shows of a resource, by the one call of `services.toml` for its type."""

import tomllib
from pathlib import Path
from typing import Any, Final

from ultracluster.aws import Cloud

_TABLES: Final = tomllib.loads(Path(__file__).with_name("services.toml").read_text())
CALLS: Final[dict[str, tuple[str, str, str, str]]] = _TABLES["calls"]
REASONS: Final[dict[str, str]] = _TABLES["kept"]
LISTS: Final[dict[str, tuple[str, str, str, str]]] = _TABLES["lists"]
STRAYS: Final[dict[str, str]] = _TABLES["strays"]


def described(cloud: Cloud, resource_type: str, physical_id: str) -> list[dict[str, Any]]:
    """Return what a service answers of a resource; empty where it shows none.

    Raises:
        CloudError: where the service refuses, which most do for what does not exist.
    """
    service, operation, parameter, key = CALLS[resource_type]
    given: dict[str, Any] = {parameter: physical_id}
    if parameter.endswith("s"):
        given = {parameter: [physical_id]}
    elif service == "pcs":
        # An ARN ends in `cluster/<id>`, and that of a part in `cluster/<id>/<kind>/<id>`.
        _, cluster, *part = physical_id.split("/")
        given = {"clusterIdentifier": cluster, parameter: part[-1] if part else cluster}
    elif service == "budgets":
        given["AccountId"] = cloud.ask("sts", "get_caller_identity")["Account"]
    answer = cloud.ask(service, operation, **given)
    found = answer[key] if key else answer
    rows: list[dict[str, Any]] = found if isinstance(found, list) else [found]
    return [row for row in rows if row.get("logGroupName", physical_id) == physical_id]


def listed(cloud: Cloud, resource_type: str) -> list[dict[str, Any]]:
    """Return everything of a type that an account has in a Region.

    Raises:
        CloudError: where the service refuses.
    """
    service, operation, member, _ = LISTS[resource_type]
    given = {"Scope": "Local"} if operation == "list_policies" else {}
    rows: list[dict[str, Any]] = [cloud.ask(service, operation, **given)]
    for name in member.split("."):
        rows = [each for row in rows for each in row.get(name, ())]
    if resource_type == "AWS::KMS::Key":  # the list does not say which are being deleted
        rows = [each for row in rows for each in described(cloud, resource_type, row["KeyId"])]
    return rows

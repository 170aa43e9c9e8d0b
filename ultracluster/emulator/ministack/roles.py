"""Names of IAM roles in the partition of their Region; MiniStack's are always in `aws`."""

from collections.abc import Mapping
from typing import Any

from ultracluster.emulator.ministack import internals
from ultracluster.emulator.provisioning import Order
from ultracluster.partitions import partition


def complete(name: str, order: Order) -> Mapping[str, Any]:
    """Give a role the ARN that it has in China or in GovCloud.

    Services refuse a role of another partition, so that one in `aws` could start nothing there.
    """
    del order
    role = internals.iam._roles[name]
    own = partition(internals.current_scope().region)
    role["Arn"] = role["Arn"].replace("arn:aws:", f"arn:{own}:", 1)
    return {"Arn": role["Arn"]}

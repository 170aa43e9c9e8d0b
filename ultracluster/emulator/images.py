"""AWS's public parameters that name machine images.

AWS publishes the newest image id of many families under `/aws/service/…`. Here each name has a
fixed, made-up id that differs from Region to Region; the image behind it does not exist.
"""

import hashlib
import re
from typing import Final

FAMILIES: Final = re.compile(
    r"^/aws/service/("
    r"ami-amazon-linux-latest/[\w.-]+"
    r"|ami-windows-latest/[\w.-]+"
    r"|canonical/ubuntu/[\w./-]+/ami-id"
    r"|deeplearning/ami/[\w./-]+/ami-id"
    r"|pcs/ami/[\w./-]+/ami-id"
    r"|ecs/optimized-ami/[\w./-]+/image_id"
    r"|eks/optimized-ami/[\w./-]+/image_id"
    r"|bottlerocket/[\w./-]+/image_id"
    r"|freebsd/[\w./-]+"
    r")$"
)


def image_id(parameter: str, region: str) -> str | None:
    """Return the image that a public parameter names; None where it is no such parameter."""
    if not FAMILIES.match(parameter):
        return None
    digest = hashlib.sha256(f"{region}:{parameter}".encode()).hexdigest()
    return f"ami-{digest[:17]}"

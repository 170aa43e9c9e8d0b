"""Machine images: where AWS publishes today's, what pins one, and what differs between two."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

EXAMPLE_IMAGE: Final = "ami-0123456789abcdef0"
"""An id that no image has, in the form of those that AWS's guides show: it stands in a file until
somebody with an account writes a real one (`ultracluster image ENVIRONMENT --write`)."""

DEEP_LEARNING_AMI: Final = (
    "/aws/service/deeplearning/ami/x86_64/"
    "base-oss-nvidia-driver-gpu-amazon-linux-2023/latest/ami-id"
)
"""Public SSM parameter of the Deep Learning Base AMI: driver, CUDA, EFA (seen 2026-09-27)."""

PCS_READY_AMI: Final = "/aws/service/pcs/ami/dlami-base-ubuntu2404/x86_64/latest/ami-id"
"""Public SSM parameter of the PCS-ready Deep Learning AMI, Ubuntu 24.04: driver, EFA, Slurm and
the PCS agent (AWS PCS user guide, PCS-ready DLAMI, read 2026-11-26)."""
PCS_READY_AMI_ARM64: Final = PCS_READY_AMI.replace("x86_64", "arm64")

ONE_VERSION: Final = re.compile(r":\d+$")
"""End of a parameter's name with a version: its newest one moves, and so does a label."""

SEPARATORS: Final = re.compile(r"[,;|]\s*|\.\s+")


class Difference(NamedTuple):
    """One thing that two images do not have in common."""

    what: str
    pinned: str
    today: str


def is_pinned(image: str) -> bool:
    """Whether an image is the same one at every deployment."""
    return not image.startswith("/") or ONE_VERSION.search(image) is not None


def public_parameter(*, architecture: str, slurm: bool, nvidia: bool = True) -> str | None:
    """Return AWS's SSM parameter of an image; None where no image of AWS's is known to fit.

    Args:
        architecture: `x86_64` or `arm64`.
        slurm: whether it has Slurm and the PCS agent.
        nvidia: whether the accelerators are NVIDIA's.
    """
    if not nvidia:
        return None
    name = PCS_READY_AMI if slurm else DEEP_LEARNING_AMI
    return name.replace("x86_64", architecture)


def node_image_parameter(environment: str) -> str:
    """Return the SSM parameter that an environment's own pipeline writes its newest image to."""
    return f"/ultracluster/{environment}/node-image-id"


def differences(pinned: Mapping[str, Any], today: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield what differs between two images, as EC2 describes them.

    Descriptions of Deep Learning AMIs list the versions of what is on them; of those only the parts
    that one of them alone has are shown.
    """
    facts = ("Name", "CreationDate", "Architecture", "RootDeviceName", "DeprecationTime")
    for name in ("ImageId", *facts):
        pair = str(pinned.get(name, "none")), str(today.get(name, "none"))
        if pair[0] != pair[1]:
            yield Difference(name, *pair)
    sizes = _root_gib(pinned), _root_gib(today)
    if sizes[0] != sizes[1]:
        yield Difference("root volume", *sizes)
    old, new = _parts(pinned), _parts(today)
    lost, came = (", ".join(p for p in a if p not in b) for a, b in ((old, new), (new, old)))
    if lost or came:
        yield Difference("Description", lost or "nothing more", came or "nothing more")


def _root_gib(row: Mapping[str, Any]) -> str:
    for each in row.get("BlockDeviceMappings") or ():
        if each.get("DeviceName") == row.get("RootDeviceName") and each.get("Ebs"):
            return f"{each['Ebs'].get('VolumeSize', '?')} GiB"
    return "none"


def _parts(row: Mapping[str, Any]) -> list[str]:
    text = str(row.get("Description") or "").strip().removesuffix(".")
    return [part.strip() for part in SEPARATORS.split(text) if part.strip()]

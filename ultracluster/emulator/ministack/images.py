"""Machine images: those that AWS's public parameters name, an example, and those of the account.

MiniStack's DescribeImages has neither dates nor deprecation, and takes every unknown id for an
empty answer. Nothing is on these images: their descriptions only have the form of AWS's.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Any, Final

from ultracluster.catalogue.images import EXAMPLE_IMAGE, PCS_READY_AMI
from ultracluster.emulator.ministack import internals
from ultracluster.emulator.ministack.calls import tags

PUBLIC_IMAGES: Final = re.compile(
    r"^/aws/service/("
    r"ami-amazon-linux-latest/[\w.-]+"
    r"|canonical/ubuntu/[\w./-]+/ami-id"
    r"|(deeplearning|pcs)/ami/[\w./-]+/ami-id"
    r"|(ecs|eks)/optimized-ami/[\w./-]+/image_id"
    r")$"
)
TODAY: Final = "2026-11-20T09:00:00.000Z"
EARLIER: Final = "2026-08-14T09:00:00.000Z"
DEPRECATED: Final = {EARLIER: "2028-08-14T09:00:00.000Z", TODAY: "2028-11-20T09:00:00.000Z"}
VERSIONS: Final = {
    EARLIER: "NVIDIA driver 580.105.08, EFA installer 1.49.0, Slurm 25.05 25.11, PCS agent 1.5.0",
    TODAY: "NVIDIA driver 595.91.07, EFA installer 1.50.0, Slurm 25.11 26.05, PCS agent 1.5.1",
}
"""Made up, in the order in which AWS's descriptions have them."""

Row = dict[str, Any]


class PublicParameters(dict[str, str]):
    """AWS's public parameters that name machine images, computed instead of listed.

    Each has a fixed, made-up id that differs from Region to Region.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[tuple[str, str], str] = {}
        """The parameters by Region and id: an image is known once its parameter was asked for."""

    def get(self, name: str, default: Any = None) -> Any:
        if not PUBLIC_IMAGES.match(name or ""):
            return default
        region = internals.current_scope().region
        image_id = f"ami-{hashlib.sha256(f'{region}:{name}'.encode()).hexdigest()[:17]}"
        self.asked[region, image_id] = name
        return image_id

    def __contains__(self, name: object) -> bool:
        return self.get(str(name)) is not None

    def rows(self) -> Iterator[Row]:
        """Yield what is known of them in the Region, and the example beside them."""
        yield _public(EXAMPLE_IMAGE, PCS_READY_AMI, EARLIER)
        here = internals.current_scope().region
        for (region, image_id), name in self.asked.items():
            if region == here:
                yield _public(image_id, name, TODAY)


PARAMETERS: Final = PublicParameters()


def install() -> None:
    internals.ssm._PUBLIC_AMI_PARAMETERS = PARAMETERS


def rows() -> Iterator[Row]:
    """Yield every image that the account sees."""
    account = internals.current_scope().account
    for image_id, image in internals.ec2._images.items():
        yield {
            "OwnerId": account,
            "State": "available",
            "Public": False,
            **image,
            "ImageId": image_id,
            "Tags": tags(image_id),
        }
    yield from PARAMETERS.rows()


def _public(image_id: str, parameter: str, created: str) -> Row:
    device = "/dev/sda1" if "ubuntu" in parameter else "/dev/xvda"
    noun = parameter.removeprefix("/aws/service/").removesuffix("/latest/ami-id").replace("/", "-")
    return {
        "ImageId": image_id,
        "Name": f"{noun}-{created[:10].replace('-', '')}",
        "Description": VERSIONS[created],
        "CreationDate": created,
        "DeprecationTime": DEPRECATED[created],
        "ImageOwnerAlias": "amazon",
        "OwnerId": "amazon",
        "Public": True,
        "State": "available",
        "Architecture": "arm64" if "arm64" in parameter else "x86_64",
        "BootMode": "uefi-preferred",
        "RootDeviceName": device,
        "RootDeviceType": "ebs",
        "VirtualizationType": "hvm",
        "BlockDeviceMappings": [
            {"DeviceName": device, "Ebs": {"VolumeSize": 75, "VolumeType": "gp3"}}
        ],
    }

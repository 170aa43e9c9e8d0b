"""Write the page of the training image: what is in it, why, and what happens when it starts.

python -m golden.image_page
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from golden.pages import rendered
from training.image.build import lock
from training.launch.acceptance import ceiling, floors
from training.launch.environment import settings
from training.launch.instances import known
from training.launch.variables import table, version

PAGE: Final = Path(__file__).parents[1] / "docs" / "training" / "image.md"
INSTANCE: Final = "p4d.24xlarge"
NODES: Final = (1, 2, 4, 16, 64, 512)
NAMES: Final = {
    "python": "Python",
    "pytorch": "PyTorch",
    "cuda": "CUDA",
    "nccl": "NCCL",
    "efa_installer": "EFA installer",
    "libfabric": "libfabric",
    "aws_ofi_nccl": "aws-ofi-nccl",
    "gdrcopy": "GDRCopy",
    "nccl_tests": "nccl-tests",
}


def page() -> str:
    pins = lock()["pins"]
    plugin = version(pins["aws_ofi_nccl"]["version"])
    return rendered(
        "image.md.jinja",
        base=lock()["base"],
        torchtitan=lock()["torchtitan"],
        pins=pins,
        names=NAMES,
        given=settings(plugin=plugin, instance=INSTANCE, fabric=True),
        variables=[row for row in table() if row.standing != "needed"],
        acceptance=list(_acceptance()),
    )


def _acceptance() -> Iterator[tuple[int, str, dict[int, float]]]:
    kind = known()[INSTANCE]
    for nodes in NODES:
        top = f"{ceiling(kind, nodes):.1f}" if nodes > 1 else "NVLink"
        yield nodes, top, floors(kind, nodes)


if __name__ == "__main__":
    PAGE.write_text(page())

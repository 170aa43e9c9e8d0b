"""An image of one's own for Slurm nodes, built by EC2 Image Builder."""

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field

from ultracluster.catalogue.images import PCS_READY_AMI
from ultracluster.problem import Problem
from ultracluster.spec.base import Spec, Written, rule

COMPONENT: Final = Written(
    r"arn:aws[^:]*:imagebuilder:[^:]+:([0-9]{12}|aws):component/[a-z0-9-_]+/\d+\.\d+\.\d+(/\d+)?",
    "write the ARN of one version, such as .../component/name/1.2.3",
)
"""A component of one version, as `x.x.x` floats (EC2 Image Builder user guide, versioning)."""
MOST_COMPONENTS: Final = 20
"""Components of a recipe (EC2 Image Builder user guide, manage recipes, read 2026-11-27)."""


class NodeImageSpec(Spec):
    """A pipeline that makes the nodes' image; it is started by hand, never by a deployment.

    The base has driver, CUDA, EFA, Lustre's client, Slurm and the PCS agent: they are held against
    the lock (training/image/image.lock.json). Added are nccl-tests and Python with PyTorch.
    """

    base: str = PCS_READY_AMI
    """AMI id, or SSM parameter that a build reads when it starts: a PCS-ready image of Ubuntu."""

    program: str | None = None
    """What pip installs the training program from, over HTTPS: an archive's URL, or a name and
    version in an index. None leaves it out: jobs then run the program of their working folder."""

    instance_types: tuple[str, ...] = ("m6i.2xlarge",)
    """Types that the build may run on, of the base's architecture; no GPU is needed."""

    volume_gib: Annotated[int, Field(ge=50, le=16000)] = 100
    """Size of the image's root volume, in GiB; nodes have at least as much."""

    components: Annotated[tuple[str, ...], COMPONENT] = ()
    """ARNs of more components, of one version each, which run after ours: Enroot and Pyxis, for
    example. A Pyxis fits one version of Slurm, and with it PCS offers no rolling upgrade (AWS PCS
    user guide, upgrading Slurm, read 2026-11-26), so that ours have none."""

    @rule
    def _components_are_not_too_many(self) -> Iterator[Problem]:
        if len(self.components) >= MOST_COMPONENTS:
            fix = f"a recipe takes {MOST_COMPONENTS} with ours; write fewer"
            yield self.problem_of("components", fix)

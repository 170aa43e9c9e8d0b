"""A custom image for Slurm nodes, built by EC2 Image Builder."""

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field

from ultracluster.catalogue.images import PCS_READY_AMI
from ultracluster.problem import Problem
from ultracluster.spec.base import Spec, TextFormat, rule

COMPONENT: Final = TextFormat(
    r"arn:aws[^:]*:imagebuilder:[^:]+:([0-9]{12}|aws):component/[a-z0-9-_]+/\d+\.\d+\.\d+(/\d+)?",
    "write the ARN of one version, such as .../component/name/1.2.3",
)
"""The ARN of one component version; `x.x.x` would change (EC2 Image Builder user guide,
versioning)."""
MOST_COMPONENTS: Final = 20
"""Components of a recipe (EC2 Image Builder user guide, manage recipes, read 2026-11-27)."""


class NodeImageSpec(Spec):
    """A pipeline that builds the nodes' image; it is started by hand, never by a deployment.

    The base image has driver, CUDA, EFA, Lustre client, Slurm and PCS agent; the build compares
    their versions to training/image/image.lock.json, and adds nccl-tests and Python with PyTorch.
    """

    base: str = PCS_READY_AMI
    """A PCS-ready image of Ubuntu: AMI id, or SSM parameter, which is read when a build starts."""

    program: str | None = None
    """The training program, as pip takes it: the https URL of an archive, or name and version in an
    index. None leaves it out: jobs then run the program in their working folder."""

    instance_types: tuple[str, ...] = ("m6i.2xlarge",)
    """Instance types for the build, of the base image's architecture; no GPU is needed."""

    volume_gib: Annotated[int, Field(ge=50, le=16000)] = 100
    """Size of the image's root volume, in GiB; nodes' root volumes are at least as large."""

    components: Annotated[tuple[str, ...], COMPONENT] = ()
    """ARNs of further component versions, which run after those of this project: Enroot and Pyxis,
    for example. They are not included, because a build of Pyxis fits one version of Slurm, and PCS
    then offers no rolling upgrade (AWS PCS user guide, upgrading Slurm, read 2026-11-26)."""

    @rule
    def _components_are_not_too_many(self) -> Iterator[Problem]:
        if len(self.components) >= MOST_COMPONENTS:
            fix = (
                f"an image recipe takes {MOST_COMPONENTS}, with those of this project; write fewer"
            )
            yield self.problem_of("components", fix)

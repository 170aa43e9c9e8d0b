"""Rules over the image of a SageMaker training request, and over the places that it names.

Images of the model parallel library: aws/sagemaker-python-sdk a2481266 (2026-08-21),
pytorch-smp.json, and the training facts, c.1: the newest has PyTorch 2.5.1,
and version 1 stops at PyTorch 2.0.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from ultracluster.catalogue.training_engines import version
from ultracluster.catalogue.training_request import TrainingRequest
from ultracluster.catalogue.values import part, table, text
from ultracluster.partitions import partition, url_suffix
from ultracluster.problem import Problem

REGISTRY: Final = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.(?P<domain>[a-z0-9.-]+)"
    r"/(?P<repository>[a-z0-9]+([._/-][a-z0-9]+)*)"
    r"(?P<tag>:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?P<digest>@sha256:[0-9a-f]{64})?"
)
IN_ARN: Final = re.compile(r"arn:(?P<partition>aws[a-z-]*):[a-z0-9-]+:(?P<region>[a-z0-9-]+):.*")
IN_ROLE: Final = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::.*")
SMP: Final = "smdistributed-modelparallel"
SMP_REGIONS: Final = frozenset(table("training")["model_parallel"]["regions"])
NEWEST_PYTORCH: Final[Mapping[int, tuple[int, ...]]] = {1: (2, 0, 1), 2: (2, 5, 1)}
"""By version of the model parallel library."""


def image_problems(request: TrainingRequest) -> Iterator[Problem]:
    """Yield why the image of a request cannot be run by SageMaker, or by the engine it names."""
    image, where = text(request.image), "AlgorithmSpecification.TrainingImage"
    if not image or part(request.image_config, "TrainingRepositoryAccessMode") == "Vpc":
        return
    found = REGISTRY.fullmatch(image)
    if found is None:
        fix = (
            "SageMaker pulls from ECR; write ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG, "
            "or TrainingRepositoryAccessMode Vpc for a registry of your own"
        )
        yield Problem(where, image, fix)
        return
    if not found["tag"] and not found["digest"]:
        fix = "without a tag it is latest, which another push moves; write a tag or a digest"
        yield Problem(where, image, fix)
    # Regions that are isolated have domains of their own, which nobody here has seen.
    domain = None if "-iso" in found["region"] else url_suffix(found["region"])
    if domain and found["domain"] != domain:
        fix = (
            f"registries of {found['region']} are below {domain}; "
            f"write {found['account']}.dkr.ecr.{found['region']}.{domain}/{found['repository']}"
        )
        yield Problem(where, image, fix)
    yield from _engine(request, found, where)


def _engine(request: TrainingRequest, found: re.Match[str], where: str) -> Iterator[Problem]:
    library = version(request.model_parallel)
    if library is None:
        return
    newest = NEWEST_PYTORCH[library]
    words = ".".join(str(number) for number in newest)
    stated = re.match(r":(\d+)\.(\d+)(?:\.(\d+))?", found["tag"] or "")
    torch = tuple(int(each or 0) for each in stated.groups()) if stated else None
    official = found["repository"] in (SMP, "pytorch-training")
    if library == 2 and found["repository"] == "pytorch-training":  # noqa: PLR2004 - SMP v2
        yield Problem(where, found.string, f"the library is not in that image; write {SMP}:...")
    elif official and torch and torch > newest:
        fix = f"version {library} of the library ends at PyTorch {words}; write such an image"
        yield Problem(where, found.string, fix)
    if found["repository"] == SMP and found["region"] not in SMP_REGIONS:
        fix = f"the library's images are not in {found['region']}; push a copy of one there"
        yield Problem(where, found.string, fix)


def _regions_named(request: TrainingRequest) -> Iterator[tuple[str, str]]:
    """Yield every field of a request that names a Region, with that Region."""
    if found := REGISTRY.fullmatch(text(request.image)):
        yield "AlgorithmSpecification.TrainingImage", found["region"]
    for where, arn in request.arns:
        if named := IN_ARN.fullmatch(arn):
            yield where, named["region"]


def region_problems(request: TrainingRequest, region: str | None) -> Iterator[Problem]:
    """Yield what a request names in another Region than the job's.

    Args:
        request: the request.
        region: the job's Region; None takes the first one that the request names.
    """
    home, because = region, ""
    for where, named in _regions_named(request):
        if home is None:
            home, because = named, f" (by {where})"
        if named != home:
            fix = f"the job runs in {home}{because}, and takes it from there only; write {home}"
            yield Problem(where, named, fix)
    role = IN_ROLE.fullmatch(text(request.role))
    if role and home and role["partition"] != partition(home):
        fix = f"{home} is in the partition {partition(home)}; write a role of an account there"
        yield Problem("RoleArn", request.role, fix)

"""Everything that the catalogue says of a training request alone, whoever asks."""

from collections.abc import Iterator

from ultracluster.catalogue.training_engines import engine_problems
from ultracluster.catalogue.training_image import image_problems, region_problems
from ultracluster.catalogue.training_request import TrainingRequest
from ultracluster.catalogue.training_rules import problems
from ultracluster.spec.problem import Problem


def refused(request: TrainingRequest, region: str | None) -> Iterator[Problem]:
    """Yield what SageMaker refuses, or what ends the job.

    Args:
        request: the request.
        region: the job's Region; None takes the first one that the request names.
    """
    yield from problems(request)
    yield from engine_problems(request)
    yield from region_problems(request, region)


def alone(request: TrainingRequest, region: str | None) -> Iterator[Problem]:
    """Yield all that is wrong with a request, wherever it is to run; see `refused`."""
    yield from refused(request, region)
    yield from image_problems(request)

"""Every check of a training request, before it is sent: nothing here asks AWS."""

from collections.abc import Mapping

from ultracluster import service_model
from ultracluster.catalogue.training_engines import engine_problems
from ultracluster.catalogue.training_image import image_problems, region_problems
from ultracluster.catalogue.training_place import Place, place_problems
from ultracluster.catalogue.training_request import problems
from ultracluster.spec.problem import Problem


def request_problems(request: object, place: Place | None = None) -> list[Problem]:
    """Return everything that is wrong with a CreateTrainingJob request.

    Args:
        request: the request, in the API's own names.
        place: the environment that it is to run in; None judges the request alone.
    """
    found = list(service_model.problems("sagemaker", "CreateTrainingJob", request))
    if not isinstance(request, Mapping):
        return found
    beyond: list[Problem] = [
        *problems(request),
        *engine_problems(request),
        *image_problems(request),
        *region_problems(request, place.region if place else None),
        *(place_problems(request, place) if place else ()),
    ]
    return found + [problem for problem in beyond if not _said(problem, found)]


def _said(problem: Problem, found: list[Problem]) -> bool:
    """Whether the model has something to say of the very same value: one fault, one line."""
    return any(problem.field == other.field for other in found)

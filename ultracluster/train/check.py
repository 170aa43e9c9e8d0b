"""Every check of a training request, before it is sent: nothing here asks AWS."""

from collections.abc import Mapping

from ultracluster import service_model
from ultracluster.catalogue.training_place import Place, place_problems
from ultracluster.catalogue.training_request import parsed
from ultracluster.catalogue.training_rules import alone
from ultracluster.problem import Problem


def request_problems(request: object, place: Place | None = None) -> list[Problem]:
    """Return everything that is wrong with a CreateTrainingJob request."""
    found = list(service_model.problems("sagemaker", "CreateTrainingJob", request))
    if not isinstance(request, Mapping):
        return found
    value = parsed(request)
    beyond = [
        *alone(value, place.region if place else None),
        *(place_problems(value, place) if place else ()),
    ]
    # Where the model has something to say of a value, that is enough: one fault, one line.
    of_the_model = {problem.field for problem in found}
    return found + [problem for problem in beyond if problem.field not in of_the_model]

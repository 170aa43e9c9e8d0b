"""What rules are about: the parts of a model that each of them looks at, one by one."""

from collections.abc import Sequence

from ultracluster.model.jobs import HyperPodGroup, TrainingJob
from ultracluster.model.model import Model
from ultracluster.model.nodes import Node
from ultracluster.model.policies import Identity
from ultracluster.model.storage import FileSystem
from ultracluster.rules.rule import Subjects
from ultracluster.templates.resolved import ResolvedResource


def of(*types: str) -> Subjects[ResolvedResource]:
    return lambda model: model.of(*types)


def nodes(model: Model) -> Sequence[Node]:
    return model.nodes


def launched(model: Model) -> Sequence[Node]:
    return [node for node in model.nodes if node.launcher]


def file_systems(model: Model) -> Sequence[FileSystem]:
    return model.file_systems


def jobs(model: Model) -> Sequence[TrainingJob]:
    return model.training_jobs


def hyperpod_groups(model: Model) -> Sequence[HyperPodGroup]:
    return model.hyperpod_groups


def roles(model: Model) -> Sequence[Identity]:
    return model.roles


def resources(model: Model) -> Sequence[ResolvedResource]:
    return model.resources

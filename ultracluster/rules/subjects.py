"""What rules are about: the parts of a model that each of them looks at, one by one."""

from typing import Final

from ultracluster.model.jobs import HyperPodGroup, TrainingJob
from ultracluster.model.nodes import Node
from ultracluster.model.policies import Identity
from ultracluster.model.storage import FileSystem
from ultracluster.rules.rule import About
from ultracluster.templates.resolved import ResolvedResource


def of(*types: str) -> About[ResolvedResource]:
    return About(lambda model: model.of(*types))


nodes: Final = About[Node](lambda model: model.nodes)
launched: Final = About[Node](lambda model: [node for node in model.nodes if node.launcher])
file_systems: Final = About[FileSystem](lambda model: model.file_systems)
jobs: Final = About[TrainingJob](lambda model: model.training_jobs)
hyperpod_groups: Final = About[HyperPodGroup](lambda model: model.hyperpod_groups)
roles: Final = About[Identity](lambda model: model.roles)
resources: Final = About[ResolvedResource](lambda model: model.resources)

"""PCS's own checks of the instances of an environment, where it has them."""

from collections.abc import Mapping

from aws_cdk import aws_kms as kms
from constructs import Construct, IConstruct

from constructs_lib.instance_health_checks import InstanceHealthChecks
from constructs_lib.slurm_node_group import SlurmNodeGroup
from constructs_lib.slurm_node_role import SlurmNodeRole
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.queues import ENVIRONMENTS_NODES


def health_checks(
    scope: Construct,
    spec: EnvironmentSpec,
    groups: Mapping[str, SlurmNodeGroup],
    *,
    nodes: SlurmNodeRole,
    log_key: kms.IKey,
) -> dict[str, IConstruct]:
    """Have PCS check the groups as the spec asks; return what sees to it, by the groups' names."""
    slurm = spec.slurm
    if slurm is None or slurm.health_checks is None:
        return {}
    function = InstanceHealthChecks(
        scope,
        "HealthChecks",
        nodes=nodes,
        log_key=log_key,
        keep=spec.storage.keep_data,
    )
    fabrics = {ENVIRONMENTS_NODES: spec.nodes, **{each.name: each for each in slurm.accelerated}}
    nvidia = {name for name, each in fabrics.items() if each.instance.accelerator.is_nvidia}
    requests = {name: slurm.health_checks.request(gpus=name in nvidia) for name in groups}
    return {
        # A group of the cluster's next size is another one.
        name: function.turn_on(groups[name].node.id, groups[name], request)
        for name, request in requests.items()
        if request
    }

"""PCS's own checks of the instances of an environment, where it has them."""

from collections.abc import Mapping

from aws_cdk import aws_kms as kms
from constructs import Construct, IConstruct

from constructs_lib.instance_health_checks import InstanceHealthChecks
from constructs_lib.slurm_node_group import SlurmNodeGroup
from constructs_lib.slurm_node_role import SlurmNodeRole
from ultracluster.spec.environment import EnvironmentSpec


def health_checks(
    scope: Construct,
    spec: EnvironmentSpec,
    groups: Mapping[str, SlurmNodeGroup],
    *,
    nodes: SlurmNodeRole,
    log_key: kms.IKey,
) -> dict[str, IConstruct]:
    """Have PCS check the groups as the spec asks; return what sees to it, by the groups' names."""
    asked = {} if spec.slurm is None else spec.slurm.instance_health_checks(spec.nodes)
    if not asked:
        return {}
    function = InstanceHealthChecks(
        scope,
        "HealthChecks",
        nodes=nodes,
        log_key=log_key,
        keep=spec.storage.keep_data,
    )
    return {
        # A group of the cluster's next size is another one.
        name: function.turn_on(groups[name].node.id, groups[name], request)
        for name, request in asked.items()
    }

"""The table of all proofs, by area."""

from typing import Final

from ultracluster.prove import (
    budget_proof,
    cluster_proof,
    network_proof,
    slurm_proof,
    storage_proof,
    training_proof,
)
from ultracluster.prove.leftovers import shown_by_services
from ultracluster.prove.proof import Proof, every_resource

PROOFS: Final[dict[str, Proof]] = {
    "every resource of every stack": every_resource,
    "every service": shown_by_services,
    "network": network_proof.network,
    "security groups": network_proof.groups,
    "launch template": cluster_proof.launch_template,
    "placement and capacity": cluster_proof.placement,
    "nodes": cluster_proof.node_group,
    "Slurm": slurm_proof.slurm,
    "Lustre": storage_proof.lustre,
    "homes": storage_proof.homes,
    "data bucket": storage_proof.bucket,
    "roles": training_proof.roles,
    "policies": training_proof.policies,
    "image repository": training_proof.images,
    "job parameters": training_proof.parameters,
    "unattended training": training_proof.unattended,
    "budget": budget_proof.budget,
    "idle capacity": budget_proof.idle_capacity,
    "alarms": budget_proof.measured,
}

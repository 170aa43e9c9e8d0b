"""The users of a Slurm cluster: what nodes have of them, and what the controller asks of jobs."""

from typing import Final

from ultracluster.spec.slurm import SlurmSpec

UNIT: Final = """[Unit]
Description=Slurm accounts of this cluster
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart={script}
Restart=on-failure
RestartSec=60

[Install]
WantedBy=multi-user.target"""
"""Slurm's commands answer only after slurmd has started, which the boot does not wait for; and what
a user loses goes once the last job of it has ended: it is tried again until then."""


def enforced(slurm: SlurmSpec) -> dict[str, str]:
    """Return the settings of a cluster by which a job that may not run is refused at once.

    Without EnforcePartLimits Slurm takes a job that its queue does not, and lets it wait for ever;
    without AccountingStorageEnforce anybody may submit (slurm.conf, and AWS PCS user guide,
    accounting, read 2026-11-27).
    """
    limits = any(queue.custom_settings() for queue in slurm.queues)
    accounts = slurm.users is not None and bool(slurm.users.accounts)
    return ({"EnforcePartLimits": "ALL"} if limits else {}) | (
        {"AccountingStorageEnforce": "associations,limits"} if accounts else {}
    )

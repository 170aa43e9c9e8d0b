"""Nodes as virtual machines: the user data of a template boots, and a Slurm of them runs jobs.

Slurm, systemd, cloud-init and the NVMe disks are real. What stands in for an instance's hardware,
for its image and for PCS is in `root/` and in `slurm.py`, and `STAND_INS` of `report.py` names it.
"""

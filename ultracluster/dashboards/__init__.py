"""Dashboards of an environment, for Grafana: what its nodes, Slurm and its jobs measure."""

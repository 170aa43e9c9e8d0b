"""The command `ultracluster waste`: used and unused node hours, from Slurm's accounting."""

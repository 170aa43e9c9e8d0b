"""Who uses the nodes that are paid for, and what nobody uses: from Slurm's accounting."""

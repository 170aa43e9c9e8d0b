"""The command `ultracluster capacity`: Capacity Blocks and training plans for a planned run."""

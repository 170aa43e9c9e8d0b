"""The command `ultracluster check`."""

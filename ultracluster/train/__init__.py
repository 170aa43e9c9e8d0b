"""The command `ultracluster train`: submits recipes to an environment, and follows jobs."""

"""The command `ultracluster retry`: what each stack needs after a failed deployment."""

"""The command `ultracluster init`: starts a project."""

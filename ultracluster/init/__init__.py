"""The command that starts a project."""

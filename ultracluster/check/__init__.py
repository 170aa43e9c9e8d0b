"""The command that judges environment files."""

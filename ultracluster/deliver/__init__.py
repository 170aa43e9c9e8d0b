"""The command `ultracluster deliver`: prepares a change for approval, and executes it."""

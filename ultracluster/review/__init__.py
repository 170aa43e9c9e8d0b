"""The command `ultracluster review`: resources, changes and risks on one page."""

"""The command `ultracluster prove`: compares deployed resources to the spec by API calls."""

"""The command `ultracluster retry`: what a deployment that failed needs before the next one."""

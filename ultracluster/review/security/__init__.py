"""Who reaches whom through security groups, on which ports."""

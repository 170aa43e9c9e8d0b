"""Constructs of an EC2 UltraCluster; import the module you need, this package imports nothing."""

"""Environments and training jobs as frozen, validated values, without CDK types."""

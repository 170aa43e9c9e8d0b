"""Reads CloudFormation templates, and resolves them as far as their own content allows."""

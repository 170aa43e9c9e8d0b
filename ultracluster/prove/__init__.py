"""Proof by API calls that read that a deployed environment is what it was asked to be."""

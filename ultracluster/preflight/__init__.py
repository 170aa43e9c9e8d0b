"""Preflight: checks by API calls whether an account is ready for an environment."""

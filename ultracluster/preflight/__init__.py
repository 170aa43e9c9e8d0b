"""Preflight: what an account lacks for an environment, asked of AWS before anything is spent."""

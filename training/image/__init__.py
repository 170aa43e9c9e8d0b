"""The container image of training jobs: what it is made of, and how it is built."""

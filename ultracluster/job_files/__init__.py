"""Reads files that start jobs: scripts, Dockerfiles, requests and files of variables."""

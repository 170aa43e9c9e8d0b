#!/bin/bash
# Slurm runs this as root on every node after a job: it no longer runs here.
rm -f "${RUN:-/run/ultracluster}/jobs/${SLURM_JOB_ID:?}"

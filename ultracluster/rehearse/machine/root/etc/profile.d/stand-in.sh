# shellcheck shell=sh
# Debian's Slurm has no PMIx, and what stands in for nccl-tests needs none.
export ULTRACLUSTER_MPI=none

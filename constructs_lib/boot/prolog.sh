#!/bin/bash
# Slurm runs this as root on every node before a job. In seconds it tells whether the node is fit,
# and drains it where it is not; the deep check is a job of its own (deep-check.sbatch).
#
# No command is waited for beyond its time, not even for its end: a process stuck in a driver does
# not die by SIGKILL, and a prolog that waits for it holds the job for ever.

PATH="$PATH:/usr/sbin:/usr/bin:/sbin:/bin:$(echo /opt/aws/pcs/scheduler/slurm-*/bin)"
GPUS=0 EFA_DEVICES=0 LUSTRE='' SCRATCH='' SECONDS_EACH=8
# What this node must have; written at its first boot, beside this file.
# shellcheck source=/dev/null
. "$(dirname "$0")/node.conf"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# within COMMAND ...: run it, leave what it says in $work/said; 124 where it takes too long.
within() {
  "$@" >"$work/said" 2>&1 </dev/null &
  local child=$! tenths=$((SECONDS_EACH * 10))
  while kill -0 "$child" 2>/dev/null; do
    if ((tenths-- == 0)); then
      kill -KILL "$child" 2>/dev/null
      disown "$child"
      return 124
    fi
    sleep 0.1
  done
  wait "$child"
}

# asked NAME COMMAND ...: as within; an end other than 0 makes the node unfit.
asked() {
  local name=$1 status=0
  shift
  within "$@" || status=$?
  case $status in
    0) ;;
    124) unfit "$name did not answer within $SECONDS_EACH s" ;;
    *) unfit "$name failed with status $status: $(head -c 80 "$work/said" | tr -s '\n"' ' ')" ;;
  esac
}

unfit() {
  local node=${SLURMD_NODENAME:-$(hostname -s)}
  echo "ultracluster prolog: $node is unfit: $*" >&2
  scontrol update NodeName="$node" State=DRAIN Reason="ultracluster prolog: $*"
  # A prolog that fails has its job held until an operator releases it. The job is at no fault:
  # send it back to the queue, and it starts on other nodes. Slurm starts nothing here once the job
  # is no longer running; where it still is (it may not be requeued), failing is what stops it.
  scontrol requeue "$SLURM_JOB_ID"
  case $(squeue --noheader --jobs "$SLURM_JOB_ID" --format %T) in
    RUNNING | CONFIGURING) exit 1 ;;
    *) exit 0 ;;
  esac
}

gpus() {
  asked nvidia-smi nvidia-smi --format=csv,noheader,nounits \
    --query-gpu=index,ecc.errors.uncorrected.volatile.total
  local found
  found=$(grep -c '^[0-9]' "$work/said")
  [[ $found -eq $GPUS ]] || unfit "$found GPUs instead of $GPUS"
  local bad
  bad=$(awk -F ', *' '$2 ~ /^[0-9]+$/ && $2 > 0 { printf "%s%s", sep, $1; sep = "," }' "$work/said")
  [[ -z $bad ]] || unfit "uncorrected ECC errors on GPU $bad; reset it, or replace the node"
  asked nvidia-smi nvidia-smi --format=csv,noheader,nounits \
    --query-remapped-rows=gpu_bus_id,remapped_rows.pending,remapped_rows.failure
  bad=$(awk -F ', *' '$3 ~ /^([1-9]|Yes)/ { printf "%s%s", sep, $1; sep = "," }' "$work/said")
  [[ -z $bad ]] || unfit "GPU $bad has no rows left to remap; replace the node"
  bad=$(awk -F ', *' '$2 ~ /^([1-9]|Yes)/ { printf "%s%s", sep, $1; sep = "," }' "$work/said")
  [[ -z $bad ]] || unfit "GPU $bad has rows to remap; reset it, or reboot"
}

efa() {
  local active=0 state
  for state in "${SYSFS:-/sys}"/class/infiniband/*/ports/1/state; do
    if [[ -r $state && $(<"$state") == *ACTIVE* ]]; then
      active=$((active + 1))
    fi
  done
  [[ $active -ge $EFA_DEVICES ]] || unfit "$active active EFA devices instead of $EFA_DEVICES"
}

lustre() {
  # The table of mounts first: asking a file system that is not there would ask the root volume.
  grep -q "^[^ ]* $LUSTRE lustre " "${PROCFS:-/proc}/mounts" || unfit "Lustre is not mounted at $LUSTRE"
  asked "Lustre at $LUSTRE" stat --file-system "$LUSTRE"
}

scratch() {
  grep -q "^[^ ]* $SCRATCH " "${PROCFS:-/proc}/mounts" || unfit "no NVMe scratch at $SCRATCH"
}

[[ $GPUS -eq 0 ]] || gpus
[[ $EFA_DEVICES -eq 0 ]] || efa
[[ -z $LUSTRE ]] || lustre
[[ -z $SCRATCH ]] || scratch
exit 0

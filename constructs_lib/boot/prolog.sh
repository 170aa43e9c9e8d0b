#!/bin/bash
# shellcheck disable=SC2016  # dollars in single quotes are awk's
# Slurm runs this as root on every node before a job. In seconds it tells whether the node is fit,
# and drains it where it is not; the deep check is a job of its own (deep-check.sbatch).
#
# A node whose checks cannot run is unfit. Where the controller does not answer either, this ends with
# 1: slurmd then drains the node by itself and starts nothing (slurm.conf, Prolog, read 2026-11-27).
#
# No command is waited for beyond its time, not even for its end: a process stuck in a driver does
# not die by SIGKILL, and a prolog that waits for it holds the job for ever.

# What this node must have; written at its first boot, beside this file.
# shellcheck source=/dev/null
. "$(dirname "$0")/node.conf" || exit 1
# One Slurm only: images carry several versions, and an older scontrol ends at a newer slurm.conf.
PATH="${SLURM_BIN:?}:/usr/sbin:/usr/bin:/sbin:/bin"
: "${GPUS:?}" "${FABRIC_MANAGER:?}" "${EFA_DEVICES:?}" "${LUSTRE?}" "${SCRATCH?}"
SECONDS_EACH=${SECONDS_EACH:-8}
# Without persistence mode the driver starts anew for each question: 25 to 30 s on eight A100
# (Azure/AgentBaker#2829, Azure/aks-gpu#105). The boot switches it on; this is for when that failed.
GPU_SECONDS=${GPU_SECONDS:-45}
LEAST_MIB=1024
CLOCK_TRIES=${CLOCK_TRIES:-5}

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# within SECONDS COMMAND ...: run it, leave what it says in $work/said; 124 where it takes too long.
within() {
  local tenths=$(($1 * 10)) child
  shift
  "$@" >"$work/said" 2>&1 </dev/null &
  child=$!
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

# asked NAME SECONDS COMMAND ...: as within; an end other than 0 makes the node unfit.
asked() {
  local name=$1 seconds=$2 status=0
  shift
  within "$@" || status=$?
  case $status in
    0) ;;
    124) unfit "$name did not answer within $seconds s" ;;
    *) unfit "$name failed with status $status: $(head -c 80 "$work/said" | tr -s '\n"' ' ')" ;;
  esac
}

unfit() {
  local node=${SLURMD_NODENAME:-$(hostname -s)}
  echo "ultracluster prolog: $node is unfit: $*" >&2
  within "$SECONDS_EACH" scontrol update NodeName="$node" State=DRAIN \
    Reason="ultracluster prolog: $*" || exit 1
  # Slurm's health check runs this without a job (HealthCheckProgram): then there is none to requeue.
  [[ -n ${SLURM_JOB_ID:-} ]] || exit 0
  # A prolog that fails has its job held until an operator releases it. The job is at no fault:
  # send it back to the queue, and it starts on other nodes.
  sent_back requeue
}

# Slurm starts nothing here once the job is no longer running; where it still is (it may not be
# requeued), failing is what stops it.
sent_back() {
  within "$SECONDS_EACH" scontrol "$1" "$SLURM_JOB_ID"
  within "$SECONDS_EACH" squeue --noheader --jobs "$SLURM_JOB_ID" --format %T || exit 1
  case $(<"$work/said") in
    PENDING* | COMPLETING* | REQUEUE*) exit 0 ;;
    *) exit 1 ;;
  esac
}

# Ends at a slurm.conf of another version, and asks no controller.
slurm() {
  asked scontrol "$SECONDS_EACH" scontrol show hostnames localhost
}

# Slurm's credentials and AWS's hold for minutes. A clock that was set by hand, or that no time
# service corrects, is one that the kernel calls unsynchronized; a young node has a moment.
clock() {
  local try
  for ((try = 0; try < CLOCK_TRIES; try++)); do
    asked timedatectl "$SECONDS_EACH" timedatectl show --property=NTPSynchronized --value
    [[ $(<"$work/said") != yes ]] || return 0
    sleep 3
  done
  unfit "the clock is not synchronized; look at its time service (chrony)"
}

# Slurm and file systems know a user by number. Where the number is nobody's, or somebody else's than
# the environment's file (users.sh) or the controller says, the job would run with others' rights.
job_user() {
  local id=${SLURM_JOB_UID:-} users=${0%/*}/users each here listed
  [[ -n $id ]] || return 0
  listed=$(awk -v id="$id" '$1 == "user" && $3 == id { print $2 }' "$users" 2>/dev/null)
  within "$SECONDS_EACH" getent passwd "$id"
  here=$(cut -d : -f 1 "$work/said")
  if [[ -z $here$listed && (-e $users || ${SLURM_JOB_RESTART_COUNT:-0} -gt 0) ]]; then
    # No other node will know it: each would be drained in turn.
    within "$SECONDS_EACH" scontrol update JobId="$SLURM_JOB_ID" AdminComment="no node knows user $id"
    sent_back requeuehold
  fi
  # A controller without users calls all of them nobody.
  for each in $listed ${SLURM_JOB_USER:-}; do
    [[ $each == nobody || $each == "$here" ]] || unfit "user $id is ${here:-unknown} instead of $each"
  done
  [[ -n $here ]] || unfit "user $id is unknown"
}

gpus() {
  asked nvidia-smi "$GPU_SECONDS" nvidia-smi --format=csv,noheader,nounits \
    --query-gpu=index,ecc.errors.uncorrected.volatile.total
  local found bad
  found=$(grep -c '^[0-9]' "$work/said")
  [[ $found -eq $GPUS ]] || unfit "$found GPUs instead of $GPUS"
  # "[N/A]" is a GPU without ECC. Anything else that is no number is a GPU that cannot answer:
  # "[GPU requires reset]", "[Unknown Error]", "[GPU is lost]".
  bad=$(named '$2 !~ /^([0-9]+|\[?N\/A\]?)$/' 1)
  [[ -z $bad ]] || unfit "GPU $bad does not tell its ECC errors; reset it, or reboot"
  bad=$(named '$2 + 0 > 0' 1)
  [[ -z $bad ]] || unfit "uncorrected ECC errors on GPU $bad; reset it, or replace the node"
  asked nvidia-smi "$GPU_SECONDS" nvidia-smi --format=csv,noheader,nounits \
    --query-remapped-rows=gpu_bus_id,remapped_rows.pending,remapped_rows.failure
  bad=$(named '$3 ~ /^([1-9]|Yes)/' 1)
  [[ -z $bad ]] || unfit "GPU $bad has no rows left to remap; replace the node"
  bad=$(named '$2 ~ /^([1-9]|Yes)/' 1)
  [[ -z $bad ]] || unfit "GPU $bad has rows to remap; reset it, or reboot"
}

# named CONDITION FIELD: that field of each line of the last answer where awk's condition holds.
named() {
  awk -F ', *' "$1 { printf \"%s%s\", sep, \$$2; sep = \",\" }" "$work/said"
}

# nvidia-smi works without it, and CUDA does not (error 802, system not yet initialized).
fabric_manager() {
  within "$SECONDS_EACH" systemctl is-active nvidia-fabricmanager ||
    unfit "nvidia-fabricmanager is $(head -c 40 "$work/said" | tr -d '\n'): CUDA fails with error 802"
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
  asked "Lustre at $LUSTRE" "$SECONDS_EACH" stat --file-system "$LUSTRE"
}

scratch() {
  grep -q "^[^ ]* $SCRATCH " "${PROCFS:-/proc}/mounts" || unfit "no NVMe scratch at $SCRATCH"
}

# room FOLDER: jobs die in strange ways on a full disk, and slurmd cannot write their scripts.
room() {
  asked "the disk of $1" "$SECONDS_EACH" df --output=avail --block-size=1M "$1"
  local left
  left=$(tail -n 1 "$work/said" | tr -dc '0-9')
  [[ ${left:-0} -ge $LEAST_MIB ]] || unfit "${left:-unknown} MiB are free on $1, $LEAST_MIB are needed"
}

slurm
job_user
clock
[[ $GPUS -eq 0 ]] || gpus
[[ $FABRIC_MANAGER -eq 0 ]] || fabric_manager
[[ $EFA_DEVICES -eq 0 ]] || efa
[[ -z $LUSTRE ]] || lustre
[[ -z $SCRATCH ]] || scratch
room /
[[ -z $SCRATCH ]] || room "$SCRATCH"
exit 0

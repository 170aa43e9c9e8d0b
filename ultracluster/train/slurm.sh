#!/bin/bash
# What a login node does for `ultracluster train`: run as the user, who has Slurm's commands.
#
#   slurm.sh submit MOUNT FOLDER NAME [VARIABLE=VALUE ...] -- [OPTION ...] -- [ARGUMENT ...]
#   slurm.sh state JOB
#   slurm.sh list
#   slurm.sh output MOUNT JOB FROM_BYTE BYTES
#   slurm.sh cancel JOB

set -euo pipefail

readonly NOTHING=2 BUSY=3

# Where training/slurm/prepare.sh, or an image of one's own, has put job files and interpreter.
home_of() {
  local home
  for home in "$1/ultracluster" /opt/ultracluster/training; do
    if [[ -f $home/slurm/train.sbatch ]]; then
      echo "$home"
      return
    fi
  done
  echo "there is no $1/ultracluster/slurm/train.sbatch; run training/slurm/prepare.sh once" >&2
  return "$NOTHING"
}

# Two jobs of one run would write into the same checkpoints.
submit() {
  local home busy options=() folder=$2 name=$3
  home=$(home_of "$1")
  shift 3
  busy=$(squeue --noheader --name="$name" --format=%A)
  if [[ -n $busy ]]; then
    head -n 1 <<<"$busy" >&2
    return "$BUSY"
  fi
  mkdir -p "$folder"
  while [[ $1 != -- ]]; do
    export "${1?}"
    shift
  done
  shift
  # A container has an interpreter of its own.
  [[ -n ${ULTRACLUSTER_CONTAINER:-} ]] ||
    export ULTRACLUSTER_PYTHON="${ULTRACLUSTER_PYTHON:-$home/venv/bin/python}"
  while [[ $1 != -- ]]; do
    options+=("$1")
    shift
  done
  shift
  sbatch --parsable --chdir="$folder" --job-name="$name" --output="$folder/$name-%j.out" \
    "${options[@]}" "$home/slurm/train.sbatch" "$@"
}

# The controller forgets a job minutes after its end; accounting, where it is kept, does not.
state() {
  scontrol show job "$1" 2>/dev/null && return
  local job name state code nodes
  while IFS='|' read -r job name state code nodes; do
    echo "JobId=$job JobName=$name JobState=${state%% *} ExitCode=$code NumNodes=$nodes"
  done < <(sacct --noheader --parsable2 --allocations --jobs "$1" \
    --format=JobID,JobName,State,ExitCode,NNodes 2>/dev/null)
}

list() {
  squeue --noheader --states=all \
    --format='JobId=%A JobState=%T NumNodes=%D UserId=%u JobName=%j'
}

output() {
  local file each
  file=$(scontrol show job "$2" 2>/dev/null | sed -n 's/^ *StdOut=//p' || true)
  file=${file//%j/$2}
  if [[ -z $file ]]; then
    for each in "$1"/*/runs/*/*-"$2".out; do
      file=$each
    done
  fi
  [[ -f $file ]] || return 0
  dd if="$file" iflag=skip_bytes,count_bytes skip="$3" count="$4" status=none | base64 --wrap=0
}

cancel() {
  scancel "$1"
}

"$@"

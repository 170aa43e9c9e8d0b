#!/bin/bash
# resume.sh RUN NODES: train 20 steps straight, and 20 steps that are killed after the checkpoint of
# step 10; print the loss of step 20 of both. Runs on the login node, in the program's folder.
set -euo pipefail
run=$1 nodes=$2
python=${ULTRACLUSTER_PYTHON:-venv/bin/python3}

"$python" -m training.prepare --out "$run/tokens" --sample >/dev/null

# submit NAME [OPTION ...]: one run of 20 steps. A batch of 4 million tokens takes a second or so on two
# nodes of eight GPUs, so that the job can be killed between its checkpoint and its end.
submit() {
  local name=$1
  shift
  sbatch --parsable --nodes="$nodes" --time=60 --job-name="$run" --output="$run/$name.out" "$@" \
    slurm/train.sbatch gpt-124m --set run.steps=20 --set run.print_every=1 \
    --set data.path="$run/tokens" --set data.global_batch=4096 --set run.path="$run/$name" \
    --set checkpoint.path="$run/$name/checkpoints" --set checkpoint.every=10
}

# give_up WHAT: say it with the last words of the job that was to be killed.
give_up() {
  echo "$1, see $PWD/$run/killed.out; it said last: $(grep . "$run/killed.out" | tail -n 1)" >&2
  exit 1
}

loss() {
  sed -n 's/.*step  *20  loss  *\([0-9.]*\) .*/\1/p' "$run/$1.out" | tail -n 1
}

submit straight --wait >/dev/null
job=$(submit killed)
until grep -qs 'step  *1[1-9]  loss' "$run/killed.out"; do
  if [[ -z $(squeue --noheader --jobs="$job" --format=%T) ]]; then
    give_up "the job ended before it could be killed"
  fi
  sleep 0.2
done
# The tasks, not the script, which starts them again: SIGKILL alone is sent to it as well (scancel(1)).
scancel --signal=ABRT "$job"
while [[ -n $(squeue --noheader --jobs="$job" --format=%T) ]]; do sleep 1; done
if ! grep -q requeued "$run/killed.out"; then
  give_up "the job was not requeued"
fi
loss straight
loss killed

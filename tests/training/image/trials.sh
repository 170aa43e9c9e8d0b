#!/bin/bash
# What an image is tried by, inside it and as its own user; STARTS is what its configuration starts.
# $1: cluster, sagemaker, or one of them with -torchtitan.
set -euo pipefail

fail() { echo "ERROR $*" >&2; exit 1; }

[ "$(command -v all_reduce_perf)" = /usr/local/bin/all_reduce_perf ]
if ldd /usr/local/bin/all_reduce_perf | grep 'not found'; then fail "all_reduce_perf misses a library"; fi
[ ! -e /root/.ssh ] || fail "the keys of the base are still there"
[ "$(cat /etc/nccl.conf)" = 'NCCL_SOCKET_IFNAME=^docker0,lo' ]

python -m training.launch inventory /opt/ultracluster/training/image/image.lock.json
# Neither GPU nor EFA is there: a job that asks for them must not start, and its scheduler not retry.
refused() {
  local status=0
  "$@" || status=$?
  [ "$status" = 2 ] || fail "$*: ended with $status, and 2 is a job that was set up wrong"
}
refused python -m training.launch check --fabric efa --instance p4d.24xlarge

case "$1" in
*-torchtitan) engine=torchtitan recipe=llama3-smoke ;;
*) engine=training recipe=smoke ;;
esac
work="$(mktemp -d)"
python -m training.prepare --out "$work/tokens" --sample
settings="{\"data.path\": \"$work/tokens\", \"run.path\": \"$work/run\", \"run.steps\": 6,
  \"checkpoint.path\": \"$work/checkpoints\", \"checkpoint.every\": 3}"

case "$1" in
cluster*)
  [ "$(id -u):$(id -g)" = 1000:1000 ] || fail "user $(id -u) is not the trainer"
  refused bash -c "$STARTS"
  case "$engine" in torchtitan) module=training.torchtitan ;; *) module=training.train ;; esac
  mapfile -t set < <(python -c 'import json, sys
for name, value in json.loads(sys.argv[1]).items(): print("--set", f"{name}={value}", sep="\n")' "$settings")
  python -m torch.distributed.run --standalone --nproc-per-node 2 -m "$module" "$recipe" "${set[@]}"
  ;;
sagemaker*)
  mkdir -p /opt/ml/input/config
  hostname="$(hostname)"
  printf '{"current_host": "%s", "hosts": ["%s"]}' "$hostname" "$hostname" \
    >/opt/ml/input/config/resourceconfig.json
  python -c 'import json, sys; print(json.dumps(dict(zip(["engine", "recipe", "settings"], sys.argv[1:]))))' \
    "$engine" "$recipe" "$settings" >/opt/ml/input/config/hyperparameters.json
  bash -c "$STARTS"
  ;;
esac
# The reference's and torchtitan's, each by the file that is written last.
[ -e "$work/checkpoints/step-00000006/manifest.json" ] || [ -e "$work/checkpoints/step-6/.metadata" ] \
  || fail "no checkpoint of the last step: $(ls -RA "$work")"
tail -n 1 "$work/run/metrics.jsonl"

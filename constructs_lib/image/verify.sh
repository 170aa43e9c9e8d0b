#!/bin/bash
# Does this image have what the lock says? Run while it is built, and again on an instance of it.
#
#   verify.sh LOCK SLURM_VERSION
#
# A line for each thing that is missing or too old; ends with 1 where there is one. What was found is
# kept in /opt/ultracluster/image.json, so that a node can tell what it runs.

set -uo pipefail

readonly LOCK=$1 SLURM=$2 ROOT=${ROOT:-}
declare -A FOUND
wrong=0

wanted() {
  python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["nodes"][sys.argv[2]]["at_least"])' \
    "$LOCK" "$1"
}

# Of two versions the older one sorts first.
check() {
  local name=$1 found=$2 least
  least=$(wanted "$name")
  FOUND[$name]=$found
  if [[ -z $found ]]; then
    echo "$name: is not on this image; the lock wants $least or later"
    wrong=1
  elif [[ $(printf '%s\n' "$least" "$found" | sort --version-sort | head -n 1) != "$least" ]]; then
    echo "$name: is $found; the lock wants $least or later"
    wrong=1
  fi
}

plugin() {
  local file
  while IFS= read -r file; do
    grep --text --only-matching --max-count=1 -E 'aws-ofi-nccl [0-9]+(\.[0-9]+)+' "$file"
  done < <(find "$ROOT/opt/amazon" -name 'libnccl-net*.so*' -type f 2>/dev/null)
}

check driver "$(modinfo --field version nvidia 2>/dev/null)"
check efa_installer "$(sed -n 's/^# EFA installer version: //p' "$ROOT/opt/amazon/efa_installed_packages" 2>/dev/null)"
check aws_ofi_nccl "$(plugin | head -n 1 | cut -d ' ' -f 2)"
check lustre_client "$(modinfo --field version lustre 2>/dev/null)"
check pcs_agent "$(dpkg-query --show --showformat '${Version}' aws-pcs-agent 2>/dev/null)"

FOUND[slurm]=$("$ROOT/opt/aws/pcs/scheduler/slurm-$SLURM/bin/sinfo" --version 2>/dev/null)
if [[ ${FOUND[slurm]} != "slurm $SLURM"* ]]; then
  echo "slurm: ${FOUND[slurm]:-none} is in slurm-$SLURM; the environment's cluster has $SLURM"
  wrong=1
fi

mkdir -p "$ROOT/opt/ultracluster"
for name in "${!FOUND[@]}"; do
  printf '%s\t%s\n' "$name" "${FOUND[$name]}"
done | python3 -c 'import json, sys
rows = (line.rstrip("\n").split("\t") for line in sys.stdin)
json.dump(dict(sorted(rows)), sys.stdout, indent=1)' >"$ROOT/opt/ultracluster/image.json"
exit "$wrong"

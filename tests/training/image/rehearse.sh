#!/bin/bash
# Builds the unmodified Dockerfile on a stand-in of AWS's base, in both variants, and runs the images.
#
#   make image-rehearsal    as root, with Debian's buildah, netavark, mmdebstrap and its archive keyring
#
# PYTHON312    a Python 3.12 that can be moved, as pyenv and uv install it; python3.12 by default
# NCCL_TESTS   a local copy of https://github.com/NVIDIA/nccl-tests, for a machine without a way there
# docs/training/image.md says what of the base is real, what is a stand-in, and what this proves.
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=tests/training/image
lock=training/image/image.lock.json
python="${PYTHON312:-python3.12}"

fail() { echo "ERROR $*" >&2; exit 1; }

for program in buildah mmdebstrap "$python"; do
  command -v "$program" >/dev/null || fail "$program is not installed; see the head of $0"
done
[ "$(id -u)" = 0 ] || fail "user $(id -un) cannot make a root file system; run this as root"

of_lock() { "$python" -c "import json; print(json.load(open('$lock'))$1)"; }

# buildah raises limits to what its own configuration says, which few machines allow.
chrooted=(--isolation chroot --network host)
limited=(--ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" --ulimit "nproc=$(ulimit -Hu):$(ulimit -Hu)")
registry=localhost
repository="$(of_lock "['base']['repository']")"
base="$registry/$repository:stand-in"

# $1: target, $2: torchtitan's version or nothing, $3: the name of the image.
build() {
  echo "== build $3"
  buildah build --layers --format docker "${chrooted[@]}" "${limited[@]}" --target "$1" \
    --ignorefile training/image/Dockerfile.dockerignore --file training/image/Dockerfile \
    --build-arg "BASE_REGISTRY=$registry" --build-arg "BASE_REPOSITORY=$repository" \
    --build-arg BASE_TAG=stand-in --build-arg "TORCHTITAN_VERSION=$2" --tag "$3" .
}

# Runs trials.sh in an image, as the user that the image names, with the command that it starts.
try() {
  local container starts status=0
  echo "== run $1: $2"
  starts="$(buildah inspect --type image "$1" | "$python" -c '
import json, shlex, sys
config = json.load(sys.stdin)["OCIv1"]["config"]
print(shlex.join([*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])]))')"
  container="$(buildah from "${chrooted[@]}" "${limited[@]}" "$1")"
  buildah copy --quiet "$container" "$here/trials.sh" /trials.sh >/dev/null
  buildah run "${chrooted[@]}" --env "STARTS=$starts" "$container" -- bash /trials.sh "$2" || status=$?
  buildah rm "$container" >/dev/null
  return "$status"
}

# A stand-in is made once for all images of the same parts.
parts="$(cat "$here"/{stand_in.sh,fi_info,plugin.c,toolkit.txt} requirements-pytorch*.txt "$lock" \
  - <<<"${NCCL_TESTS:-}" | sha256sum | cut -c1-12)"
label='{{index .OCIv1.Config.Labels "made_of"}}'
if [ "$(buildah inspect --type image --format "$label" "$base" 2>/dev/null)" != "$parts" ]; then
  echo "== make the stand-in of the base"
  "$here/stand_in.sh" "$base" "$parts"
fi
titan="$(of_lock "['torchtitan']['version']")"
for target in cluster sagemaker; do
  for version in "" "$titan"; do
    image="$registry/ultracluster:$target${version:+-torchtitan}"
    build "$target" "$version" "$image"
    try "$image" "$target${version:+-torchtitan}"
  done
done
echo "The Dockerfile builds on the stand-in, and its four images run."

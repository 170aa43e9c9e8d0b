#!/usr/bin/env bash
# Put what jobs run on a file system that all nodes share: Python with PyTorch, this program, its job
# files, and nccl-tests. As a user on a login node or a node with GPUs, once, and after each update:
#
#   training/slurm/prepare.sh [FOLDER]        (/fsx/ultracluster)
#
# Everything is of the versions in training/image/image.lock.json and comes over HTTPS: Python packages
# by pip (its own settings choose an index or a mirror), nccl-tests by git, which verifies the commit. A
# version that is there is left alone, and a new one lies beside it until it is whole. nccl-tests needs a
# node with CUDA's compiler and EFA's Open MPI; elsewhere all else is prepared, and that is said.
#
#   ULTRACLUSTER_LOCK      the lock; default image/image.lock.json of this program
#   ULTRACLUSTER_PROGRAM   what pip installs the program from, where it does not lie beside this file
#   ULTRACLUSTER_TORCH_INDEX   where wheels of PyTorch for the lock's CUDA are; empty: pip's own index has
#                          them, as a mirror in a closed network does; default PyTorch's own
#   ULTRACLUSTER_TORCHTITAN    yes: torchtitan beside the program, of torchtitan/requirements.txt
#   ULTRACLUSTER_PYTHON    interpreter of Python 3.11 or later; default python3
#   CUDA_HOME, MPI_HOME    /usr/local/cuda and /opt/amazon/openmpi
#
# Ends with 0, or 2 where something is missing, or as the command that failed.

set -euo pipefail
umask 022

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly HERE MISTAKEN=2
readonly FOLDER=${1:-/fsx/ultracluster}
readonly LOCK=${ULTRACLUSTER_LOCK:-$HERE/image/image.lock.json}
readonly PROGRAM=${ULTRACLUSTER_PROGRAM:-}
readonly PYTHON=${ULTRACLUSTER_PYTHON:-python3}
readonly CUDA=${CUDA_HOME:-/usr/local/cuda} MPI=${MPI_HOME:-/opt/amazon/openmpi}

say() { echo "prepare: $*"; }

mistaken() {
  say "$*" >&2
  exit "$MISTAKEN"
}

pinned() {
  "$PYTHON" -c 'import json, sys
value = json.load(open(sys.argv[1]))
for name in sys.argv[2:]:
    value = value[name]
print(value)' "$LOCK" "$@"
}

# Of this program and of the lock: another text of either is another version.
version() {
  {
    cat "$LOCK"
    echo "$PROGRAM ${ULTRACLUSTER_TORCHTITAN:-}"
    [[ ! -f $HERE/train.py ]] || find "$HERE" -type f -not -path '*/__pycache__/*' -print0 | sort -z |
      xargs -0 sha256sum
  } | sha256sum | cut -c 1-12
}

# ensurepip is a package of its own on Ubuntu, and its mirrors speak HTTP alone: pip's own archive then.
make_environment() {
  local venv=$1/venv index=() pip=("$1/venv/bin/python" -m pip)
  if ! "$PYTHON" -m venv "$venv" >/dev/null 2>&1; then
    "$PYTHON" -m venv --without-pip --clear "$venv"
    curl --fail --silent --show-error --location --output "$1/pip.pyz" https://bootstrap.pypa.io/pip/pip.pyz
    pip=("$venv/bin/python" "$1/pip.pyz")
  fi
  [[ -z $TORCH_INDEX ]] || index=(--extra-index-url "$TORCH_INDEX")
  "${pip[@]}" install --quiet "${index[@]}" \
    "torch==$(pinned pins pytorch version)" "numpy==$(pinned nodes numpy version)"
  if [[ -f $HERE/train.py ]]; then
    mkdir -p "$1/program"
    cp -r "$HERE" "$1/program/training"
    echo "$1/program" >"$("$venv/bin/python" -c \
      'import sysconfig; print(sysconfig.get_path("purelib"))')/ultracluster-training.pth"
    ln -sfn program/training/slurm "$1/slurm"
  elif [[ -n $PROGRAM ]]; then
    "${pip[@]}" install --quiet --no-deps "$PROGRAM"
    cp -r "$("$venv/bin/python" -c 'import training; print(list(training.__path__)[0])')/slurm" "$1/slurm"
  fi
  [[ -z ${ULTRACLUSTER_TORCHTITAN:-} ]] || install_torchtitan "$venv" "${pip[@]}"
}

# PyTorch, which brings triton, and numpy are there already, of the lock's versions.
install_torchtitan() {
  local list
  list=$("$1/bin/python" -c 'import training; print(list(training.__path__)[0])')/torchtitan/requirements.txt
  "${@:2}" install --quiet --no-deps --require-hashes -r "$list"
}

# An environment knows its own path: it is made where it stays, and becomes visible by the links.
prepare_version() {
  local made=$1
  [[ ! -e $made/whole ]] || return 0
  rm -rf "$made"
  mkdir -p "$made/bin"
  make_environment "$made"
  touch "$made/whole"
}

build_nccl_tests() {
  local source=$1/nccl-tests nccl
  [[ ! -x $1/bin/all_reduce_perf ]] || return 0
  if [[ ! -x $CUDA/bin/nvcc || ! -f $MPI/include/mpi.h ]]; then
    say "nccl-tests is not built: no $CUDA/bin/nvcc or no $MPI here; run this again on a node with GPUs"
    return 0
  fi
  nccl=$("$1/venv/bin/python" -c 'import nvidia.nccl; print(list(nvidia.nccl.__path__)[0])') ||
    mistaken "this PyTorch has no NCCL, so it is not one for GPUs; see pip's settings"
  rm -rf "$source"
  git init --quiet "$source"
  git -C "$source" fetch --quiet --depth 1 https://github.com/NVIDIA/nccl-tests \
    "$(pinned pins nccl_tests commit)"
  git -C "$source" checkout --quiet FETCH_HEAD
  [[ -e $nccl/lib/libnccl.so ]] || ln -s libnccl.so.2 "$nccl/lib/libnccl.so"
  make --silent -C "$source" -j "$(nproc)" MPI=1 MPI_HOME="$MPI" NCCL_HOME="$nccl" CUDA_HOME="$CUDA"
  cp "$source/build/all_reduce_perf" "$1/bin/"
  rm -rf "$source"
}

[[ -f $LOCK ]] || mistaken "$LOCK: no such lock"
command -v "$PYTHON" >/dev/null || mistaken "$PYTHON: no such interpreter; set ULTRACLUSTER_PYTHON"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  mistaken "$PYTHON is older than 3.11; set ULTRACLUSTER_PYTHON"
mkdir -p "$FOLDER/versions" 2>/dev/null && [[ -w $FOLDER ]] ||
  mistaken "$FOLDER cannot be written to; name a folder on the shared file system"

TORCH_INDEX=${ULTRACLUSTER_TORCH_INDEX-$(pinned nodes torch_index url)}
exec 9>"$FOLDER/.lock"
flock 9 || mistaken "$FOLDER: somebody else prepares it, and the lock could not be waited for"
made=$FOLDER/versions/$(version)
prepare_version "$made"
build_nccl_tests "$made"
for name in venv slurm bin; do
  [[ ! -e $made/$name ]] || ln -sfn "versions/$(basename "$made")/$name" "$FOLDER/$name"
done
say "$FOLDER has PyTorch $("$made/venv/bin/python" -c 'import importlib.metadata as m; print(m.version("torch"))'), version $(basename "$made")"

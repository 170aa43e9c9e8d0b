#!/bin/bash
# Makes a stand-in of AWS's base as the image $1 of buildah's storage; rehearse.sh calls it.
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=tests/training/image
lock=training/image/image.lock.json
python="${PYTHON312:-python3.12}"

"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' || {
  echo "ERROR $python is no Python 3.12; set PYTHON312 to one, as uv or pyenv install it" >&2
  exit 1
}
of_lock() { "$python" -c "import json; print(json.load(open('$lock'))['pins']$1)"; }
pin() { of_lock "['$1']['version']"; }

# Debian, CPython 3.12, and what its modules need; git, compiler and OpenSSH are in AWS's base, too.
make_system() {
  mmdebstrap --quiet --variant=minbase --include=ca-certificates,git,make,g++,openssh-client \
    --include=libopenmpi-dev,openmpi-bin,libssl3t64,libffi8,libbz2-1.0,liblzma5,libsqlite3-0,zlib1g \
    trixie "$1" http://deb.debian.org/debian
  # A company's own certificates are the machine's.
  cp --dereference /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"
  cp --archive "$("$python" -c 'import sys; print(sys.base_prefix)')" "$1/opt/python"
  echo /opt/python/lib >"$1/etc/ld.so.conf.d/python.conf"
  chroot "$1" ldconfig
  chroot "$1" /opt/python/bin/python3.12 -m venv /opt/venv
}

# PyTorch, NCCL and CUDA's compiler are NVIDIA's and PyTorch's own, by the lock files' hashes or pinned.
make_python() {
  local into=("$python" -m pip install --quiet --root-user-action ignore --no-deps --no-compile --target)
  "${into[@]}" "$1/opt/venv/lib/python3.12/site-packages" --require-hashes \
    -r requirements-pytorch.txt -r requirements-pytorch-nvidia.txt
  "${into[@]}" "$1/opt/toolkit" --require-hashes -r "$here/toolkit.txt"
  ln -s /opt/toolkit/nvidia/cu13 "$1/usr/local/cuda"
  ln -s lib "$1/opt/toolkit/nvidia/cu13/lib64"
  ln -s libcudart.so.13 "$1/opt/toolkit/nvidia/cu13/lib/libcudart.so"
}

# Stand-ins: they only say the lock's versions, where `inventory` and `check` look for them.
make_stand_ins() {
  local amazon="$1/opt/amazon" mpi=/usr/lib/x86_64-linux-gnu/openmpi
  mkdir -p "$amazon"/{efa/bin,ofi-nccl/lib64,openmpi} "$1/usr/local/lib"
  ln -s "$mpi/include" "$mpi/lib" "$amazon/openmpi/"
  echo "# EFA installer version: $(pin efa_installer)" >"$amazon/efa_installed_packages"
  sed "s/LIBFABRIC/$(pin libfabric)/" "$here/fi_info" >"$amazon/efa/bin/fi_info"
  chmod 755 "$amazon/efa/bin/fi_info"
  chroot "$1" gcc -shared -fPIC -x c - -o /opt/amazon/ofi-nccl/lib64/libnccl-net-ofi.so \
    -DVERSION="\"aws-ofi-nccl $(pin aws_ofi_nccl)\"" <"$here/plugin.c"
  ln -s libnccl-net-ofi.so "$amazon/ofi-nccl/lib64/libnccl-net.so"
  echo >"$1/usr/local/lib/libgdrapi.so.$(pin gdrcopy)"
  # As scripts/docker/common/install_efa_amzn2023.sh of deep-learning-containers at e0ecedea.
  mkdir -p "$1/root/.ssh"
  chroot "$1" ssh-keygen -q -t rsa -N '' -f /root/.ssh/id_rsa
  cp "$1/root/.ssh/id_rsa.pub" "$1/root/.ssh/authorized_keys"
}

# Git takes the copy for the public address, so that the Dockerfile stays as it is.
make_copy_of_nccl_tests() {
  local at=/srv/nccl-tests
  git init --quiet --bare "$1$at"
  git -C "$1$at" fetch --quiet --depth 1 "$(realpath "$NCCL_TESTS")" "$(of_lock "['nccl_tests']['commit']")"
  printf '[url "file://%s"]\n\tinsteadOf = https://github.com/NVIDIA/nccl-tests\n[safe]\n\tdirectory = *\n' \
    "$at" >"$1/etc/gitconfig"
}

# $1: the image's name, $2: a digest of what it is made of.
packages=/opt/venv/lib/python3.12/site-packages
container="$(buildah from --isolation chroot --network host scratch)"
trap 'buildah rm "$container" >/dev/null' EXIT
root="$(buildah mount "$container")"
make_system "$root"
make_python "$root"
make_stand_ins "$root"
if [ -n "${NCCL_TESTS:-}" ]; then make_copy_of_nccl_tests "$root"; fi
# The variables of AWS's base, which says its CUDA by CUDA_VERSION as NVIDIA's images do. No GPU runs
# what is compiled here: P4d's kind stands for the six that nccl-tests' Makefile compiles for without
# this, each of which takes as long.
buildah config --label "made_of=$2" --env "CUDA_VERSION=$(pin cuda)" \
  --env "NVCC_GENCODE=-gencode=arch=compute_80,code=sm_80" \
  --env "PATH=/opt/venv/bin:/opt/amazon/efa/bin:/usr/local/cuda/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" \
  --env "LD_LIBRARY_PATH=$packages/nvidia/nccl/lib:/opt/amazon/ofi-nccl/lib64:/opt/amazon/openmpi/lib:/usr/local/cuda/lib64:/usr/local/lib" \
  --env "PIP_CERT=/etc/ssl/certs/ca-certificates.crt" "$container"
buildah commit --quiet --format docker "$container" "$1" >/dev/null

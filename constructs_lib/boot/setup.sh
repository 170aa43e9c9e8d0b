#!/bin/bash
# First boot of a node, and every later one: makes it what boot/node.conf says. Fetches nothing but
# its programs, and may run again. What fails is said on the console and found by the check, which
# drains the node.

# shellcheck source=/dev/null
here=${HERE:-/opt/ultracluster}
. "$here/node.conf"
ROOT=${ROOT:-}
TRIES=${TRIES:-6}

say() { echo "ultracluster setup: $*" | tee "$ROOT/dev/console" >&2; }

# A kernel that changes by itself leaves the Lustre client and the accelerators' driver behind, and a
# library that is replaced has needrestart restart slurmd under a job. Timers are persistent: they run
# at boot, so that what they start is masked as well (cloud-config's bootcmd does it before they run).
stay_as_the_image_is() {
  # shellcheck disable=SC2086  # several units
  systemctl disable --now $STILL >/dev/null 2>&1
  # shellcheck disable=SC2086
  systemctl mask $STILL >/dev/null 2>&1
  if command -v dpkg-query >/dev/null; then
    # Names that others only mention are listed as well, and would have nothing held at all.
    # shellcheck disable=SC2016  # the dollars are dpkg's and awk's
    dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' 'linux-image*' \
      'linux-headers*' 'linux-modules*' 'lustre-client*' 2>/dev/null |
      awk '$1 == "installed" { print $2, "hold" }' | dpkg --set-selections
    mkdir -p "$ROOT/etc/needrestart/conf.d"
    # shellcheck disable=SC2016  # the dollar is needrestart's
    echo '$nrconf{override_rc}{qr(^slurm)} = 0;' >"$ROOT/etc/needrestart/conf.d/ultracluster.conf"
  fi
  if [[ -f $ROOT/etc/dnf/dnf.conf ]] && ! grep -q '^excludepkgs=' "$ROOT/etc/dnf/dnf.conf"; then
    echo 'excludepkgs=kernel*,lustre-client*,*nvidia*' >>"$ROOT/etc/dnf/dnf.conf"
  fi
}

# Without persistence mode the driver starts anew for each question: 25 to 30 s on eight A100
# (Azure/AgentBaker#2829). Without the fabric manager CUDA ends with error 802.
ready_gpus() {
  [[ $GPUS -gt 0 ]] || return 0
  systemctl enable --now nvidia-persistenced >/dev/null 2>&1 ||
    timeout 120 nvidia-smi --persistence-mode=1 >/dev/null 2>&1 ||
    say "persistence mode of the GPUs could not be switched on"
  [[ $FABRIC_MANAGER -eq 0 ]] || systemctl enable --now nvidia-fabricmanager >/dev/null 2>&1 ||
    say "nvidia-fabricmanager could not be started"
}

# EFA registers memory, and data loaders open files, far beyond the defaults. Slurm hands the limits
# of whoever submits to the tasks, so login nodes need them as well.
raise_limits() {
  mkdir -p "$ROOT/etc/security/limits.d" "$ROOT/etc/systemd/system/slurmd.service.d"
  cat >"$ROOT/etc/security/limits.d/90-ultracluster.conf" <<'END'
* - memlock unlimited
* - nofile 1048576
root - memlock unlimited
root - nofile 1048576
END
  cat >"$ROOT/etc/systemd/system/slurmd.service.d/ultracluster.conf" <<'END'
[Service]
LimitMEMLOCK=infinity
LimitNOFILE=1048576
END
  systemctl daemon-reload
}

mounted() { grep -q "^[^ ]* $1 " "$ROOT/proc/mounts"; }

# One fast file system of all local NVMe, empty after every start of the instance.
build_scratch() {
  local disks disk used array=/dev/md/scratch
  mounted "$SCRATCH" && return
  mapfile -t disks < <(lsblk --nodeps --noheadings --output PATH,MODEL |
    awk '/Amazon EC2 NVMe Instance Storage/ { print $1 }')
  if [[ ${#disks[@]} -eq 0 ]]; then
    say "no local NVMe; $SCRATCH is not there"
    return 1
  fi
  mkdir -p "$ROOT$SCRATCH"
  # Deep Learning AMIs mount the disks by a service of their own: wait for it, and use what it made.
  systemctl start dlami-nvme.service >/dev/null 2>&1
  used=$(lsblk --noheadings --output MOUNTPOINT "${disks[@]}" | awk 'NF { print $1; exit }')
  if [[ -n $used ]]; then
    mount --bind "$used" "$SCRATCH"
  else
    # After a reboot (not a stop) the array is still on the disks.
    mdadm --assemble --scan >/dev/null 2>&1
    udevadm settle --timeout=60
    if [[ ! -e $ROOT$array ]]; then
      mdadm --create "$array" --run --force --level=0 --name=scratch --homehost=any \
        --raid-devices="${#disks[@]}" "${disks[@]}" || return 1
      # udev names it, on a busy node seconds after mdadm has ended.
      udevadm settle --timeout=60
    fi
    if [[ ! -e $ROOT$array ]]; then
      say "the array of local NVMe was made, and has no name in /dev/md; $SCRATCH is not there"
      return 1
    fi
    disk=$(readlink -f "$ROOT$array")
    if [[ -z $(blkid --output value --match-tag TYPE "$disk") ]]; then
      mkfs.xfs -q -f "$disk" || return 1
    fi
    mount -t xfs -o noatime "$disk" "$SCRATCH" || return 1
  fi
  chmod 1777 "$ROOT$SCRATCH"
}

# What FSx advises for clients of more than 64 vCPU and 64 GiB (FSx for Lustre guide, performance tips,
# read 2026-11-26). Module options hold only if they are there before the client is first loaded.
tune_before_mount() {
  [[ $(nproc) -gt 64 ]] || return 0
  mkdir -p "$ROOT/etc/modprobe.d"
  cat >"$ROOT/etc/modprobe.d/ultracluster-lustre.conf" <<'END'
options ptlrpc ptlrpcd_per_cpt_max=32
options ksocklnd credits=2560
END
}

tune_after_mount() {
  [[ $(nproc) -gt 64 ]] || return 0
  lctl set_param 'osc.*OST*.max_rpcs_in_flight=32' 'mdc.*.max_rpcs_in_flight=64' \
    'mdc.*.max_mod_rpcs_in_flight=50' 'ldlm.namespaces.*.lru_max_age=600000' \
    "ldlm.namespaces.*.lru_size=$((100 * $(nproc)))" >/dev/null 2>&1 ||
    say "$LUSTRE is mounted, but not tuned"
}

# FSx makes the root of a new file system root's, with mode 755: nobody could write a checkpoint. As
# in /tmp, everybody may make folders there and remove their own.
open_lustre() {
  local folder
  for folder in "$LUSTRE" "$LUSTRE/checkpoints"; do
    if [[ $(stat --format %U:%a "$ROOT$folder" 2>/dev/null) == root:755 ]]; then
      chmod 1777 "$ROOT$folder"
    fi
  done
}

# A file of one stripe is written at the speed of one of the file system's disks.
stripe_checkpoints() {
  [[ -n ${STRIPES:-} && -d $ROOT$LUSTRE/checkpoints ]] || return 0
  lfs setstripe --stripe-count "$STRIPES" "$ROOT$LUSTRE/checkpoints" ||
    say "checkpoints keep the file system's own layout"
}

mount_lustre() {
  local try
  mkdir -p "$ROOT$LUSTRE"
  if ! grep -q "^$LUSTRE_SOURCE " "$ROOT/etc/fstab"; then
    echo "$LUSTRE_SOURCE $LUSTRE lustre _netdev,noatime,flock,x-systemd.requires=network-online.target 0 0" \
      >>"$ROOT/etc/fstab"
  fi
  if ! mounted "$LUSTRE"; then
    tune_before_mount
    [[ -z ${LUSTRE_EFA:-} ]] || python3 "$here/lnet.py"
    if ! modprobe lustre; then
      say "this image has no Lustre client for its kernel; $LUSTRE is not mounted"
      return 1
    fi
    for ((try = 0; try < TRIES; try++)); do
      timeout 60 mount "$LUSTRE" && break
      sleep "${PAUSE:-10}"
    done
    if ((try == TRIES)); then
      say "$LUSTRE could not be mounted"
      return 1
    fi
  fi
  tune_after_mount
  open_lustre
  stripe_checkpoints
}

# Sessions of Systems Manager are no login shells, and Slurm is on the PATH of those alone.
put_slurm_on_the_path() {
  [[ -n $SLURM_BIN ]] || return 0
  local command
  for command in sbatch squeue srun salloc scancel scontrol sinfo sacct sacctmgr; do
    ln -sfn "$SLURM_BIN/$command" "$ROOT/usr/local/bin/$command"
  done
}

# The only thing that is fetched, from S3 over the gateway endpoint. A node without it takes no jobs:
# Slurm drains a node whose prolog is not there. What an earlier boot has fetched stays.
fetch_programs() {
  local try
  for ((try = 0; try < TRIES; try++)); do
    rm -rf "$here/new" && mkdir -p "$here/new"
    timeout 60 aws s3 cp "$PROGRAMS" "$here/new/programs.zip" >/dev/null 2>&1 &&
      python3 -m zipfile -e "$here/new/programs.zip" "$here/new" &&
      LC_ALL=C cat "$here"/new/*.py | sha256sum --check --status <(echo "$PROGRAMS_SHA256  -") &&
      chmod 755 "$here"/new/*.py && mv -f "$here"/new/*.py "$here" && break
    sleep "${PAUSE:-10}"
  done
  if ((try == TRIES)); then
    say "programs could not be fetched from $PROGRAMS: no job starts here"
    return 1
  fi
  [[ -z ${EVERY:-} ]] || python3 "$here/metrics.py" install || say "metrics could not be started"
  [[ -z ${HOMES:-} ]] || python3 "$here/homes.py"
}

status=0
stay_as_the_image_is
raise_limits
ready_gpus
put_slurm_on_the_path
[[ -z $SCRATCH ]] || build_scratch || status=1
[[ -z ${PROGRAMS:-} ]] || fetch_programs || status=1
[[ -z $LUSTRE ]] || mount_lustre || status=1
exit "$status"

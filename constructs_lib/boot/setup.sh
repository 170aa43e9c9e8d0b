#!/bin/bash
# First boot of a node, and every later one: makes it what boot/node.conf says. Fetches nothing, and
# may run again. What fails is said on the console and found by the prolog, which drains the node.

# shellcheck source=/dev/null
. "${HERE:-/opt/ultracluster}/node.conf"
ROOT=${ROOT:-}
TRIES=${TRIES:-6}

say() { echo "ultracluster setup: $*" | tee "$ROOT/dev/console" >&2; }

# A kernel that changes by itself leaves the Lustre client and the accelerators' driver behind.
stay_as_the_image_is() {
  local unit
  for unit in apt-daily.timer apt-daily-upgrade.timer unattended-upgrades.service \
    dnf-automatic.timer dnf-automatic-install.timer; do
    systemctl disable --now "$unit" >/dev/null 2>&1
    systemctl mask "$unit" >/dev/null 2>&1
  done
  if command -v apt-mark >/dev/null; then
    dpkg-query --show --showformat '${Package}\n' 'linux-image*' 'linux-headers*' 'linux-modules*' \
      'lustre-client*' 2>/dev/null | xargs --no-run-if-empty apt-mark hold >/dev/null
  fi
  if [[ -f $ROOT/etc/dnf/dnf.conf ]] && ! grep -q '^excludepkgs=' "$ROOT/etc/dnf/dnf.conf"; then
    echo 'excludepkgs=kernel*,lustre-client*,*nvidia*' >>"$ROOT/etc/dnf/dnf.conf"
  fi
}

# EFA registers memory, and data loaders open files, far beyond the defaults. Slurm hands the limits
# of whoever submits to the tasks, so login nodes need them as well.
raise_limits() {
  mkdir -p "$ROOT/etc/security/limits.d" "$ROOT/etc/systemd/system/slurmd.service.d"
  cat >"$ROOT/etc/security/limits.d/90-ultracluster.conf" <<'END'
* - memlock unlimited
* - nofile 1048576
* - stack unlimited
root - memlock unlimited
root - nofile 1048576
END
  cat >"$ROOT/etc/systemd/system/slurmd.service.d/ultracluster.conf" <<'END'
[Service]
LimitMEMLOCK=infinity
LimitNOFILE=1048576
LimitSTACK=infinity
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
  # Deep Learning AMIs may have mounted the disks already: use what they made.
  used=$(lsblk --noheadings --output MOUNTPOINT "${disks[@]}" | awk 'NF { print $1; exit }')
  if [[ -n $used ]]; then
    mount --bind "$used" "$SCRATCH"
  else
    # After a reboot (not a stop) the array is still on the disks.
    mdadm --assemble --scan >/dev/null 2>&1
    if [[ ! -e $ROOT$array ]]; then
      mdadm --create "$array" --run --force --level=0 --name=scratch --homehost=any \
        --raid-devices="${#disks[@]}" "${disks[@]}" || return 1
    fi
    disk=$(readlink -f "$ROOT$array")
    if [[ -z $(blkid --output value --match-tag TYPE "$disk") ]]; then
      mkfs.xfs -q -f "$disk" || return 1
    fi
    mount -t xfs -o noatime,discard "$disk" "$SCRATCH" || return 1
  fi
  chmod 1777 "$ROOT$SCRATCH"
}

mount_lustre() {
  local try
  mkdir -p "$ROOT$LUSTRE"
  if ! grep -q "^$LUSTRE_SOURCE " "$ROOT/etc/fstab"; then
    echo "$LUSTRE_SOURCE $LUSTRE lustre _netdev,noatime,flock,x-systemd.requires=network-online.target 0 0" \
      >>"$ROOT/etc/fstab"
  fi
  mounted "$LUSTRE" && return
  if ! modprobe lustre; then
    say "this image has no Lustre client for its kernel; $LUSTRE is not mounted"
    return 1
  fi
  for ((try = 0; try < TRIES; try++)); do
    timeout 60 mount "$LUSTRE" && return
    sleep "${PAUSE:-10}"
  done
  say "$LUSTRE could not be mounted"
  return 1
}

status=0
stay_as_the_image_is
raise_limits
[[ -z $SCRATCH ]] || build_scratch || status=1
[[ -z $LUSTRE ]] || mount_lustre || status=1
exit "$status"

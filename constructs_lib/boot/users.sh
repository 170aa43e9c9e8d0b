#!/bin/bash
# Makes Unix users and groups with the ids that boot/users gives them, equal on every node: Slurm and
# file systems know users by their numbers. May run again; what is there with another number stays.
HERE=${HERE:-/opt/ultracluster}
status=0

say() {
  echo "ultracluster users: $*" >&2
  status=1
}

# number DATABASE NAME: the id of a user or group, where there is one.
number() { getent "$1" "$2" | cut -d: -f3; }

# group NAME GID
group() {
  local has
  has=$(number group "$1")
  [[ -n $has ]] || { groupadd --gid "$2" "$1" && return; }
  [[ $has == "$2" ]] || say "group $1 has number ${has:-none} instead of $2"
}

# user NAME UID [GROUP,...]
user() {
  local has
  group "$1" "$2"
  has=$(number passwd "$1")
  [[ -n $has ]] || useradd --uid "$2" --gid "$2" --create-home --shell /bin/bash "$1"
  has=$(number passwd "$1")
  [[ $has == "$2" ]] || say "user $1 has number ${has:-none} instead of $2"
  usermod --groups "${3-}" "$1" || say "user $1 is not in $3"
}

while read -r kind name id groups || [[ -n $kind ]]; do
  case $kind in
    group) group "$name" "$id" ;;
    user) user "$name" "$id" "$groups" ;;
  esac
done <"$HERE/users"
exit "$status"

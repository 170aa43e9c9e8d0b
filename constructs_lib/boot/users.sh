#!/bin/bash
# Makes Unix users and groups with the ids that boot/users gives them, equal on every node: Slurm and
# file systems know users by their numbers. May run again; what is there with another number stays.
HERE=${HERE:-/opt/ultracluster}
ROOT=${ROOT:-}
status=0
homes=
absent=

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

# homes_in FOLDER [MOUNT]: where homes are, and the shared file system that they are on. There they are
# made once, by whichever node is first.
homes_in() {
  homes=$1
  if [[ -n $2 ]] && ! mountpoint --quiet "$ROOT$2"; then
    say "$2 is not mounted; no home is made"
    absent=$2
    return
  fi
  mkdir -p "$ROOT$1"
  [[ -O $ROOT$1 ]] || say "$1 is not root's: whoever has it can take every home"
}

# user NAME UID [GROUP,...]
user() {
  local has home=$ROOT$homes/$1
  group "$1" "$2"
  has=$(number passwd "$1")
  if [[ -z $has ]]; then
    useradd --uid "$2" --gid "$2" --no-create-home --home-dir "$homes/$1" --shell /bin/bash "$1"
    has=$(number passwd "$1")
  fi
  [[ $has == "$2" ]] || { say "user $1 has number ${has:-none} instead of $2" && return; }
  usermod --groups "${3-}" "$1" || say "user $1 is not in $3"
  if [[ -z $absent && -d $ROOT$homes ]] && mkdir --mode=700 "$home" 2>/dev/null; then
    { cp -r /etc/skel/. "$home" && chown -R "$2:$2" "$home"; } || say "$homes/$1 was not filled"
  fi
}

while read -r kind name id groups || [[ -n $kind ]]; do
  case $kind in
    homes) homes_in "$name" "$id" ;;
    group) group "$name" "$id" ;;
    user) user "$name" "$id" "$groups" ;;
  esac
done <"$HERE/users"
exit "$status"

#!/bin/bash
# Makes Slurm's accounts, and lets users charge them, as boot/accounts says. Runs on login nodes as
# root, who may do that, and may run again. Whom it does not name stays as he is.
HERE=${HERE:-/opt/ultracluster}
# shellcheck source=/dev/null
. "$HERE/node.conf"
PATH="${SLURM_BIN:?}:/usr/bin:/bin"
status=0

# ask FIELDS WHAT [CONDITION ...]: rows of the accounting database.
ask() { sacctmgr --noheader --parsable2 show "${@:2}" format="$1"; }
# A change that changes nothing is an error to sacctmgr: what is there is asked for first.
change() { sacctmgr --immediate "$@" >/dev/null || status=1; }

# account NAME PARENT LIMIT, of which -1 is none
account() {
  local row parent limit
  row=$(ask account,parentname,grptres association where account="$1" user= | head -n 1)
  if [[ -z $row ]]; then
    change add account "$1" parent="$2"
    row="$1|$2|"
  fi
  IFS='|' read -r _ parent limit <<<"$row"
  [[ $parent == "$2" ]] || change modify account where account="$1" set parent="$2"
  [[ ${limit:-node=-1} == "node=$3" ]] || change modify account where account="$1" set GrpTRES=node="$3"
}

# user NAME ACCOUNT,...: the first is the default
user() {
  local each row charged submits
  charged=$(ask account,maxsubmitjobs association where user="$1")
  for each in ${2//,/ }; do
    row=$(grep "^$each|" <<<"$charged") || change add user "$1" account="$each"
    [[ $row != *'|0' ]] || change modify user where user="$1" account="$each" set MaxSubmitJobs=-1
  done
  [[ $(ask defaultaccount user where user="$1") == "${2%%,*}" ]] ||
    change modify user where user="$1" set defaultaccount="${2%%,*}"
  while IFS='|' read -r each submits; do
    [[ -n $each && ,$2, != *,$each,* ]] || continue
    # It cannot go while jobs of it are active: no new ones, and the next run takes it away.
    [[ $submits == 0 ]] || change modify user where user="$1" account="$each" set MaxSubmitJobs=0
    change delete user where user="$1" account="$each"
  done <<<"$charged"
}

ask account account >/dev/null || exit 1
while read -r kind name value limit || [[ -n $kind ]]; do
  case $kind in
    account) account "$name" "$value" "$limit" ;;
    user) user "$name" "$value" ;;
  esac
done <"$HERE/accounts"
exit "$status"

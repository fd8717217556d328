# shellcheck shell=bash
# The cluster's processes that the machine sees as its own: `namespaces`, whose only child is process 1 of the cluster's process
# namespace, `relay`, and with tests/cluster/karpenter the parents of `karpenter` and `kwok`. A record says which process it was, so that
# one that got its number later is never taken for it.

BOOT=$(cat /proc/sys/kernel/random/boot_id)

# identity PID: the number and the start time of a process, and the boot that it belongs to; fails where there is no such process.
identity() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  stat=${stat##*) } # the name before it may hold blanks
  [ "${stat:0:1}" != Z ] || return 1
  echo "$1 $(cut -d' ' -f20 <<<"$stat") $BOOT"
}

record() { identity "$2" >"$STATE/$1.pid"; } # record NAME PID

# recorded NAME: the recorded process if it is still that one.
recorded() {
  local record
  record=$(cat "$STATE/$1.pid" 2>/dev/null) || return 1
  [ "$(identity "${record%% *}")" = "$record" ] || return 1
  echo "${record%% *}"
}

# The machine went down under a running cluster.
was_cut_off() { [ -f "$STATE/namespaces.pid" ] && ! grep -q "$BOOT" "$STATE/namespaces.pid"; }

# child_of NAME: the process that the recorded one waits for, as the machine numbers it.
child_of() {
  local parent child
  parent=$(recorded "$1") || return 1
  child=$(tr -d ' ' <"/proc/$parent/task/$parent/children") || return 1
  [ -n "$child" ] || return 1
  echo "$child"
}

# Process 1 of the cluster.
first_process() { child_of namespaces; }

# end NAME [PID]: kills the recorded process, or the one that it waits for, and waits until it is gone.
end() {
  local pid
  if pid=$(recorded "$1"); then
    kill -KILL "${2:-$pid}"
    while recorded "$1" >/dev/null; do sleep 0.05; done
  fi
  rm -f "$STATE/$1.pid"
}

# in_cluster COMMAND...: runs it in the cluster's namespaces.
in_cluster() {
  local first
  first=$(first_process) || die "the cluster is not up" "start it with tests/cluster/up"
  nsenter --target "$first" --mount --net --pid --uts --ipc -- "$@"
}

# start NAME COMMAND...: leaves it running in the cluster's namespaces, with its output in logs/NAME.log.
start() {
  setsid nsenter --target "$(first_process)" --mount --net --pid --uts --ipc -- "${@:2}" </dev/null >"$LOGS/$1.log" 2>&1 9>&- &
}

# wait_for SECONDS WHAT LOG COMMAND...: until the command succeeds; shows the end of logs/LOG.log if it does not.
wait_for() {
  local deadline=$((SECONDS + $1))
  until "${@:4}" >/dev/null 2>&1; do
    if [ $SECONDS -ge "$deadline" ]; then
      tail -n 20 "$LOGS/$3.log" >&2
      die "after $1 s still not: $2" "its log is $LOGS/$3.log"
    fi
    sleep 0.1
  done
  progress "$2"
}

STARTED=$EPOCHREALTIME
progress() { awk -v from="$STARTED" -v to="$EPOCHREALTIME" -v what="$1" 'BEGIN { printf "%6.1f s  %s\n", to - from, what }'; }

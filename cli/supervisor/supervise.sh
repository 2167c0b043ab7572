#!/bin/sh
# Starts one of a cluster's processes again when it has ended without being asked to.
#
#   supervise.sh NAME RUN_DIR LOG PAUSE_MAX_S STEADY_S COMMAND...
#
# The process that is watched started this one, and holds the other end of its standard input: it
# ends with the process, however that ends. After a pause the process is started again, and from
# then on this shell is its parent. Once it is ready it starts a supervisor of its own, writes that
# one's id to RUN_DIR/NAME.supervisor and ends this one. Only the supervisor named there acts, so
# that a process is never started twice, and never again once the file is gone (`r2k down`).
#
# RUN_DIR/NAME.restarts tells of the last end: how many in a row, when (seconds since 1970), the
# pause in seconds, and the exit status, `-` when it is not known.

# Read as a whole before it runs: the file may be replaced by another version meanwhile.
main() {
  # A shell that is refused a process ends.
  trap 'start_over "$@"' EXIT
  mask=$(umask)
  umask 077
  name=$1 run=$2 log=$3 pause_max_s=$4 steady_s=$5
  sleeping=
  trap 'test -z "$sleeping" || kill "$sleeping"; trap - EXIT; exit 0' TERM
  uptime_s
  begun_s=$now_s
  status=-
  read -r _
  while in_charge; do
    uptime_s
    count_end
    log_line "$name has ended (status $status); it is started again in $pause_s s"
    sleep "$pause_s" &
    sleeping=$!
    wait "$sleeping"
    sleeping=
    in_charge || break
    uptime_s
    begun_s=$now_s
    # With the mask that the process before had: what containers see is for any user to read.
    (umask "$mask" && shift 5 && exec "$@") < /dev/null >> "$log" 2>&1 &
    wait $!
    status=$?
  done
  trap - EXIT
}

# Starts over, under the same id, after one to two seconds without sleep(1), which is a process.
start_over() {
  test -z "$mask" || umask "$mask"
  uptime_s
  over_s=$((now_s + 2))
  while test "$now_s" -lt "$over_s"; do uptime_s; done
  exec /bin/sh "$0" "$@"
}

in_charge() {
  read -r owner _ 2> /dev/null < "$run/$name.supervisor" && test "$owner" = $$
}

# Sets now_s. The clock of the machine since its start is never set back.
uptime_s() {
  read -r now_s _ < /proc/uptime
  now_s=${now_s%%.*}
}

# Pauses double from end to end, and begin again after a steady run.
count_end() {
  count=0 pause_s=0
  read -r count _ pause_s _ 2> /dev/null < "$run/$name.restarts"
  if test $((now_s - begun_s)) -ge "$steady_s"; then count=0 pause_s=0; fi
  count=$((count + 1))
  if test "$count" -gt 1; then pause_s=$((pause_s * 2)); fi
  test "$pause_s" -ge 1 || pause_s=1
  test "$pause_s" -le "$pause_max_s" || pause_s=$pause_max_s
  printf '%s %s %s %s\n' "$count" "$(date +%s)" "$pause_s" "$status" > "$run/$name.restarts.new"
  mv "$run/$name.restarts.new" "$run/$name.restarts"
}

log_line() {
  printf '{"level":"error","time":"%s","component":"supervisor","msg":"%s"}\n' \
    "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" >> "$log"
}

main "$@"

#!/bin/sh
# guard.sh TRACEFS NAME GROUP...: waits until standard input ends, then takes away what the instrument set up in the kernel:
# the tracer's instance NAME and the probes of that name, and the control groups with all that is in them.
tracer=$1 name=$2
shift 2
cat >/dev/null
instance=$tracer/instances/$name
failed=0
if [ -d "$instance" ]; then
    echo 0 >"$instance/tracing_on"
    echo 0 >"$instance/events/enable"
fi
for probe in take taken drop dropped; do
    if grep -q ":$name/$probe " "$tracer/uprobe_events"; then
        echo "-:$name/$probe" >>"$tracer/uprobe_events" || failed=1
    fi
done
if [ -d "$instance" ]; then
    rmdir "$instance" || failed=1
fi
for group in "$@"; do
    tries=0
    while [ -d "$group" ] && ! rmdir "$group" 2>/dev/null; do
        while read -r pid; do kill -s KILL "$pid"; done <"$group/cgroup.procs"
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ]; then
            failed=1
            break
        fi
        sleep 0.05
    done
done
umount "$tracer" || failed=1
exit "$failed"

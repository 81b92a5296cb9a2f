#!/bin/sh
# Does what the message advises. A node whose Yama lets only ancestors read refuses this too, and says so.
application=$(sed 's/ .*//' /proc/1/task/1/children)
if [ "$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)" -gt 0 ]; then
    setpriv --reuid 1000 --regid 1000 --clear-groups dunnage dump "$application" | grep -q ptrace_scope || exit 2
    echo "graceful.py:2 <module> cannot be seen on this node"
    exit 0
fi
exec setpriv --reuid 1000 --regid 1000 --clear-groups dunnage dump "$application" 2>/dev/null

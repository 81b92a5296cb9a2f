#!/bin/sh
# What the entrypoints of many images do: prepare as root, then become a user.
set -e
chown 1000:1000 /tmp
exec gosu 1000:1000 "$@"

#!/bin/sh
# Whether the container's role lives. A worker or beat answers at AIHUB_HEALTH_PORT, where that is
# set; without it, its process ends with the container. $1: where the role's command line stands.
set -eu

port=${AIHUB_PORT:-8000}
if tr '\0' ' ' <"${1:-/proc/1/cmdline}" | grep -q celery; then
    port=${AIHUB_HEALTH_PORT:-0}
    [ "$port" != 0 ] || exit 0
fi
exec python -c "
import urllib.request
urllib.request.urlopen('http://127.0.0.1:$port/livez', timeout=4).close()
"

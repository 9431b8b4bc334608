#!/bin/sh
# Starts Redis by redis.conf with the password of REDISCLI_AUTH, in a file that nobody else reads:
# everybody can read a command line. Further arguments go to Redis.
set -eu

umask 077
config="${TMPDIR:-/tmp}/redis.conf"
{
    cat "$(dirname "$0")/redis.conf"
    printf 'requirepass "%s"\n' "$REDISCLI_AUTH"
} > "$config"
exec redis-server "$config" "$@"

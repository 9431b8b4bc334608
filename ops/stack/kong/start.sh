#!/bin/sh
# Writes Kong's declarative file, and starts what the arguments say. Kong resolves references to a
# vault in the settings of plugins, but not in credentials: so the key that tokens are signed with
# is filled in here, and so are the places of the roles.
set -eu
umask 077

folder=$(dirname "$0")
: "${AIHUB_SECRET_KEY:?the key that the hub signs tokens with}"
: "${KONG_DECLARATIVE_CONFIG:=/tmp/kong.yml}"

# The value as it stands between single quotes in YAML, and on the right side of sed's s|…|…|.
quoted() {
    printf '%s' "$1" | sed -e "s/'/''/g" -e 's/[&|\\]/\\&/g'
}

{
    sed -e "s|@SECRET_KEY@|$(quoted "$AIHUB_SECRET_KEY")|" \
        -e "s|@WEB@|${GATEWAY_WEB:-web:8000}|" \
        -e "s|@INFER@|${GATEWAY_INFER:-infer:8000}|" \
        -e "s|@INFER_GRPC@|${GATEWAY_INFER_GRPC:-infer:8001}|" \
        -e "s|@REDIS_HOST@|${GATEWAY_REDIS_HOST:-redis}|" \
        -e "/@POOLS@ start.sh/r $folder/pool-upstreams.yml" \
        -e "/@POOLS@ and/r $folder/pool-services.yml" \
        "$folder/kong.yml"
    [ ! -s "${GATEWAY_CONSUMERS:-}" ] || sed 's/^/  /' "$GATEWAY_CONSUMERS"
} >"$KONG_DECLARATIVE_CONFIG"

# Without a certificate Kong makes one of its own.
if [ -s "${GATEWAY_TLS:-/nowhere}/tls.crt" ]; then
    export KONG_SSL_CERT="$GATEWAY_TLS/tls.crt" KONG_SSL_CERT_KEY="$GATEWAY_TLS/tls.key"
fi
unset AIHUB_SECRET_KEY
export KONG_DECLARATIVE_CONFIG
exec "$@"

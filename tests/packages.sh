#!/bin/sh
# Sees to the Debian packages that the files given name: as root installs them, else says which to
# install. No server among them is started: the tests start their own.
set -eu

missing=""
for package in $(grep --no-filename -v '^#' "$@"); do
    state=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests need packages that are not installed: sudo apt-get install$missing" >&2
    exit 1
fi

echo "Installing the packages$missing"
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
apt-get update --quiet=2
# shellcheck disable=SC2086 # a list of words
apt-get install --quiet=2 --yes --no-install-recommends $missing >/dev/null

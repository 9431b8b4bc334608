#!/usr/bin/env bash
# Brings one image to one cluster, and goes back where it does not answer.
#
#   ops/deploy/deploy.sh OVERLAY IMAGE URL
#
# OVERLAY is a folder of k8s/overlays, IMAGE a reference by digest (registry/aihub@sha256:…), URL where
# the hub answers then. `kubectl` talks to the cluster of the current context. What the smoke test
# reads from the environment stands in ops/deploy/smoke.py.
#
# First comes what the migration needs, and it runs: where it fails, nothing that serves has changed.
# Then comes the rest. Whatever fails from there on, or Ctrl-C, puts the Deployments of the hub and its
# gateway back to the revisions that they had; all else stays as it was applied.
set -euo pipefail

if [ $# -ne 3 ]; then
    echo "usage: $0 OVERLAY IMAGE URL" >&2
    exit 2
fi
overlay=$1 image=$2 url=$3
namespace=${NAMESPACE:-aihub}
patience=${PATIENCE:-600} # seconds for the migration, and for each Deployment
case $image in
*@sha256:*) ;;
*)
    echo "$image is no digest: what was tested and what is deployed could differ." >&2
    exit 2
    ;;
esac

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { echo "deploy: $*" >&2; }
hub() { kubectl --namespace "$namespace" "$@"; }

# The documents of a stream that the migration needs ("first"), or all others ("then"): names, settings,
# accounts, who reaches whom, the Job itself, and the data services of an overlay that has its own.
documents() {
    awk -v wanted="$1" '
        function put() {
            first = kind ~ /^(Namespace|PriorityClass|ServiceAccount|ConfigMap|Secret|NetworkPolicy|Job)$/
            if (first || label ~ /^(mysql|redis|minio)$/) part = "first"
            else part = "then"
            if (text != "" && part == wanted) printf "---\n%s", text
            text = ""; kind = ""; label = ""
        }
        /^---$/ { put(); next }
        /^kind: / { kind = $2 }
        /^    app\.kubernetes\.io\/name: / && label == "" { label = $2 }
        { text = text $0 "\n" }
        END { put() }
    '
}

render() {
    kubectl kustomize "$root/k8s/overlays/$overlay" |
        sed -E "s#^([ -]*image: )([^ ]*/)?aihub([:@][^ ]*)?\$#\1$image#" >"$work/all.yaml"
    grep -q "image: $image\$" "$work/all.yaml" || {
        say "no image of the overlay $overlay is the hub's"
        exit 1
    }
    documents first <"$work/all.yaml" >"$work/first.yaml"
    documents then <"$work/all.yaml" >"$work/then.yaml"
}

# Names of the Deployments that are waited for, and put back: the hub's and the gateway's.
names() {
    awk '
        function put() { if (kind == "Deployment" && label ~ /^(aihub|kong)$/) print name }
        /^---$/ { put(); kind = ""; label = ""; name = ""; within = 0; next }
        /^kind: / { kind = $2 }
        /^[^ ]/ { within = /^metadata:$/ }
        within && /^  name: / { name = $2 }
        within && /^    app\.kubernetes\.io\/name: / { label = $2 }
        END { put() }
    ' "$work/then.yaml"
}

revision() {
    hub get "deployment/$1" --ignore-not-found \
        --output 'jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}'
}

migrate() {
    hub delete job/migrate --ignore-not-found
    kubectl apply --filename "$work/first.yaml"
    local until=$((SECONDS + patience)) ended
    while [ $SECONDS -lt $until ]; do
        ended=$(hub get job/migrate --output \
            'jsonpath={.status.conditions[?(@.status=="True")].type}')
        case $ended in
        *Complete*) return 0 ;;
        *Failed*) break ;;
        esac
        sleep "${LOOK_EVERY:-2}"
    done
    say "the migration did not end well; its log:"
    hub logs job/migrate --all-containers --tail=50 >&2 || true
    return 1
}

roll_out() {
    kubectl apply --filename "$work/then.yaml"
    local name
    for name in $deployed; do
        hub rollout status "deployment/$name" --timeout "${patience}s"
    done
    python3 "$here/smoke.py" "$url"
}

# Each Deployment back to its revision before. All are asked, since a change that was applied just now
# has no revision yet; kubectl leaves one alone that is as it was.
roll_back() {
    say "going back to what ran before"
    local name before failed=0
    for name in $deployed; do
        before=$(cat "$work/before-$name")
        if [ -z "$before" ]; then
            say "$name is new: there is nothing to go back to"
        else
            hub rollout undo "deployment/$name" --to-revision "$before" || failed=1
        fi
    done
    for name in $deployed; do
        [ -z "$(cat "$work/before-$name")" ] ||
            hub rollout status "deployment/$name" --timeout "${patience}s" || failed=1
    done
    [ $failed -eq 0 ] || say "going back failed: look at the cluster now"
}

finish() {
    local status=$?
    trap '' INT TERM
    [ $status -eq 0 ] || roll_back
    rm -rf "$work"
    exit $status
}

render
deployed=$(names)
for name in $deployed; do
    revision "$name" >"$work/before-$name"
done
say "migrating"
migrate
say "rolling out $image"
trap 'exit 130' INT TERM
trap finish EXIT
roll_out
say "done"

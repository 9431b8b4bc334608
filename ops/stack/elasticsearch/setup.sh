#!/bin/sh
# Puts into Elasticsearch, or Kibana, what the hub's logs need. Run as often as one likes.
#
#   setup.sh elasticsearch   the lifecycle, the template, Logstash's user, Kibana's password
#   setup.sh kibana          the data view, the searches and the dashboard
#
# It needs curl, ELASTIC_PASSWORD, and for Elasticsearch KIBANA_PASSWORD and LOGSTASH_PASSWORD too.
set -eu

elasticsearch=${ELASTICSEARCH_HOST:-http://elasticsearch:9200}
kibana=${KIBANA_HOST:-http://kibana:5601}
here=$(dirname "$0")
patience=${PATIENCE:-300} # seconds

# Passwords go by a file and by standard input: everybody can read a command line.
umask 077
login=$(mktemp)
trap 'rm -f "$login"' EXIT
printf 'user = "elastic:%s"\n' "$ELASTIC_PASSWORD" >"$login"

call() { # METHOD URL, the body on standard input
    curl --silent --show-error --fail --config "$login" --output /dev/null \
        --request "$1" "$2" --header 'Content-Type: application/json' --data-binary @-
}

until_it_answers() { # URL
    left=$patience
    until curl --silent --fail --config "$login" --output /dev/null "$1"; do
        left=$((left - 2))
        if [ "$left" -le 0 ]; then
            echo "$1 does not answer" >&2
            exit 1
        fi
        sleep 2
    done
}

set_up_elasticsearch() {
    until_it_answers "$elasticsearch/_cluster/health?wait_for_status=yellow&timeout=1s"
    call PUT "$elasticsearch/_ilm/policy/aihub-logs" <"$here/lifecycle.json"
    call PUT "$elasticsearch/_index_template/aihub-logs" <"$here/index-template.json"
    call PUT "$elasticsearch/_security/role/aihub_logs_writer" <"$here/writer.json"
    printf '{"password": "%s", "roles": ["aihub_logs_writer"]}' "$LOGSTASH_PASSWORD" |
        call PUT "$elasticsearch/_security/user/aihub_logstash"
    printf '{"password": "%s"}' "$KIBANA_PASSWORD" |
        call PUT "$elasticsearch/_security/user/kibana_system/_password"
}

set_up_kibana() {
    objects=${SAVED_OBJECTS:-/kibana/saved-objects.ndjson}
    until_it_answers "$kibana/api/status"
    curl --silent --show-error --fail --config "$login" --output /dev/null \
        --request POST "$kibana/api/saved_objects/_import?overwrite=true" \
        --header 'kbn-xsrf: true' --form "file=@$objects"
}

case "${1:-}" in
elasticsearch) set_up_elasticsearch ;;
kibana) set_up_kibana ;;
*)
    echo "usage: setup.sh elasticsearch | kibana" >&2
    exit 2
    ;;
esac

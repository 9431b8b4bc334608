"""What is made of the hub's lines: the template, the pipeline, and what Kibana shows of them."""

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from aihub.env import BASE_DIR
from tests.ecs import faults_of, fits, template_fields

STACK = BASE_DIR / "ops/stack"
PIPELINE = STACK / "logstash/pipeline/aihub.conf"
OBJECTS = STACK / "kibana/saved-objects.ndjson"
FIELDS = template_fields()
GOOD: dict[str, Any] = {
    "@timestamp": "2026-11-27T05:02:13.027Z",
    "message": "it happened",
    "ecs": {"version": "8.11.0"},
    "log": {"level": "info", "logger": "a.module"},
    "event": {"dataset": "aihub.log", "duration": 12},
    "service": {"name": "aihub", "version": "1", "node": {"name": "host", "role": "web"}},
    "client": {"ip": "2001:db8::1"},
}


# --- the template, and the check by which lines are held against it ---


def test_a_good_line_has_no_fault() -> None:
    assert faults_of(GOOD, FIELDS) == []


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"surprise": 1}, "surprise is not in the template"),
        ({"event": {"dataset": "x", "kinds": "y"}}, "event.kinds is not in the template"),
        ({"log": "text"}, "log is not in the template"),
        ({"message": {"a": 1}}, "message.a is not in the template"),
        ({"event": {"dataset": "x", "duration": "12"}}, "event.duration='12' is no long"),
        ({"event": {"dataset": "x", "duration": 1.5}}, "event.duration=1.5 is no long"),
        ({"process": {"pid": True}}, "process.pid=True is no long"),
        ({"process": {"pid": 2**63}}, f"process.pid={2**63} is no long"),
        ({"client": {"ip": "here"}}, "client.ip='here' is no ip"),
        ({"user": {"id": 5}}, "user.id=5 is no keyword"),
        ({"@timestamp": "2026-11-27T05:02:13"}, "@timestamp='2026-11-27T05:02:13' is no date"),
        ({"trace": {"id": "x" * 65}}, f"trace.id={'x' * 65!r} is no keyword"),
    ],
)
def test_a_line_that_does_not_fit_is_seen(more: dict[str, Any], fault: str) -> None:
    assert fault in faults_of({**GOOD, **more}, FIELDS)


def test_a_line_that_lacks_something_is_seen() -> None:
    bare = {name: value for name, value in GOOD.items() if name != "message"}
    assert faults_of(bare, FIELDS) == ["message is missing"]


def test_what_is_no_ecs_stands_under_aihub() -> None:
    """The types of ECS 8.11, for all that the template takes from it."""
    ecs = {
        "keyword": "log.level log.logger service.name service.version service.node.name "
        "service.node.role event.dataset event.action event.outcome http.request.id "
        "http.request.method user.id user_agent.original error.type trace.id span.id ecs.version "
        "host.name container.id container.name container.image.name log.origin.function "
        "log.origin.file.name process.thread.name tags",
        "long": "event.duration http.request.body.bytes http.response.status_code process.pid "
        "process.exit_code log.origin.file.line",
        "match_only_text": "message error.message",
        "wildcard": "url.path error.stack_trace",
        "date": "@timestamp",
        "ip": "client.ip",
        "constant_keyword": "data_stream.type data_stream.dataset data_stream.namespace",
    }
    known = {name: kind for kind, names in ecs.items() for name in names.split()}
    own = {name for name in FIELDS if name.startswith(("aihub.", "kubernetes."))}
    assert {name: FIELDS[name]["type"] for name in FIELDS.keys() - own} == known


def test_the_documents_name_every_field() -> None:
    named = set(re.findall(r"`([\w.@]+)`", (BASE_DIR / "docs/logging.md").read_text()))
    assert FIELDS.keys() - named == set()


def test_fields_that_are_not_named_are_kept_and_cost_nothing() -> None:
    template = json.loads((STACK / "elasticsearch/index-template.json").read_text())
    assert template["template"]["mappings"]["dynamic"] is False
    settings = template["template"]["settings"]
    assert settings["index.lifecycle.name"] == "aihub-logs"
    assert FIELDS.keys() >= set(settings["index.query.default_field"])


def test_a_lifecycle_ends() -> None:
    phases = json.loads((STACK / "elasticsearch/lifecycle.json").read_text())["policy"]["phases"]
    assert phases["hot"]["actions"]["rollover"]
    assert re.fullmatch(r"[0-9]+d", phases["delete"]["min_age"])


# --- Logstash ---


@pytest.mark.parametrize("path", sorted(PIPELINE.parent.glob("*.conf")), ids=lambda p: p.name)
def test_the_pipelines_are_whole(path: Path) -> None:
    text = "".join(code(path))
    for pair in ("{}", "[]", "()"):
        assert text.count(pair[0]) == text.count(pair[1])
    assert re.findall(r"^(\w+) \{", path.read_text(), re.MULTILINE) == ["input", "filter", "output"]


def test_fields_that_the_pipeline_makes_are_in_the_template() -> None:
    made = re.findall(r'"(\[[^"]+)" => "', PIPELINE.read_text())
    names = {name.strip("[]").replace("][", ".") for name in made}
    assert names
    assert names <= FIELDS.keys()


def test_both_pipelines_write_where_the_template_holds() -> None:
    patterns = json.loads((STACK / "elasticsearch/index-template.json").read_text())
    writer = json.loads((STACK / "elasticsearch/writer.json").read_text())
    for path in PIPELINE.parent.glob("*.conf"):
        kind, dataset, space = (
            found.group(1)
            for found in re.finditer(
                r'data_stream_(?:type|dataset|namespace) => "(.+)"', path.read_text()
            )
        )
        name = f"{kind}-{dataset}-{space}"
        for wanted in (patterns["index_patterns"], writer["indices"][0]["names"]):
            assert any(Path(name).match(pattern) for pattern in wanted), (name, wanted)


def test_every_pipeline_runs() -> None:
    given = yaml.safe_load((STACK / "logstash/pipelines.yml").read_text())
    assert {Path(each["path.config"]).name for each in given} == {
        path.name for path in PIPELINE.parent.glob("*.conf")
    }


def test_a_pipeline_that_could_not_start_is_tried_again() -> None:
    """The folder of the dead letters is made by the pipeline whose letters they are."""
    given = yaml.safe_load((STACK / "logstash/logstash.yml").read_text())
    assert given["config.reload.automatic"] is True


def code(path: Path) -> Iterator[str]:
    """A pipeline's pieces without comments, and without what stands in quotes or is a pattern."""
    text = re.sub(r"^\s*#.*$", "", path.read_text(), flags=re.MULTILINE)
    yield re.sub(r"""'[^']*'|"[^"]*"|/\^.*?/ """, "", text)


# --- Filebeat ---


@pytest.mark.parametrize("name", ["filebeat.yml", "filebeat-kubernetes.yml"])
def test_filebeat_sends_to_logstash_alone(name: str) -> None:
    given = yaml.safe_load((STACK / "filebeat" / name).read_text())
    assert [key for key in given if key.startswith("output.")] == ["output.logstash"]
    assert given["output.logstash"]["hosts"] == ["${LOGSTASH_HOST:logstash}:5044"]


def test_the_role_of_an_unstructured_line_comes_from_a_label_that_filebeat_sends() -> None:
    """The provider for Docker puts labels at docker.container.labels; they go no further."""
    given = yaml.safe_load((STACK / "filebeat/filebeat.yml").read_text())
    (provider,) = given["filebeat.autodiscover"]["providers"]
    assert (provider["type"], provider["labels.dedot"]) == ("docker", True)
    (dropped,) = (each["drop_fields"]["fields"] for each in given["processors"])
    assert not [name for name in dropped if name.startswith("docker")]
    text = PIPELINE.read_text()
    assert set(re.findall(r"[\[\w\]]*\[com_docker_compose_service\]", text)) == {
        "[docker][container][labels][com_docker_compose_service]"
    }
    (removed,) = re.findall(r"remove_field => (\[.*\"docker\".*\])", text)
    assert "docker" in json.loads(removed)


# --- Kibana ---


def objects() -> list[dict[str, Any]]:
    return [json.loads(line) for line in OBJECTS.read_text().splitlines()]


def test_every_object_is_there_once_and_every_reference_leads_to_one() -> None:
    known = Counter((each["type"], each["id"]) for each in objects())
    assert set(known.values()) == {1}
    asked = {(ref["type"], ref["id"]) for each in objects() for ref in each["references"]}
    assert asked <= known.keys()


def test_every_reference_is_used_by_its_name() -> None:
    for each in objects():
        said = json.dumps(each["attributes"]).replace("\\", "")
        for reference in each["references"]:
            assert f'"{reference["name"].rpartition(":")[2]}"' in said, each["id"]


def test_every_field_that_kibana_asks_for_is_in_the_template() -> None:
    asked = {name for each in objects() for name in fields_asked(each)}
    assert len(asked) > 20
    assert asked - FIELDS.keys() == set()


def test_every_panel_lies_on_the_grid_beside_the_others() -> None:
    (dashboard,) = (each for each in objects() if each["type"] == "dashboard")
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(dashboard["attributes"]["panelsJSON"]):
        grid = panel["gridData"]
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken
        assert grid["x"] + grid["w"] <= 48
        taken |= cells


def test_the_data_view_has_every_stream() -> None:
    (view,) = (each for each in objects() if each["type"] == "index-pattern")
    for name in ("logs-aihub-default", "logs-aihub.refused-default"):
        assert Path(name).match(view["attributes"]["title"])


def fields_asked(saved: dict[str, Any]) -> Iterator[str]:
    """Names of fields in the columns, queries, aggregations and formats of a saved object."""
    attributes = saved["attributes"]
    yield from attributes.get("columns", ())
    yield from json.loads(attributes.get("fieldFormatMap", "{}"))
    for aggregation in json.loads(attributes.get("visState", "{}")).get("aggs", ()):
        yield from filter(None, [aggregation["params"].get("field")])
    source = attributes.get("kibanaSavedObjectMeta", {}).get("searchSourceJSON", "{}")
    query = json.loads(source).get("query", {}).get("query", "")
    yield from re.findall(r"([\w.@]+) *(?::|[<>])", query)


# --- setting it up ---


class _Recorder(BaseHTTPRequestHandler):
    """Stands where Elasticsearch and Kibana would: takes what is sent to it, and notes it."""

    said: list[tuple[str, str, str]]

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        signed = "signed in" if self.headers.get("Authorization") else "nobody"
        self.said.append((f"{self.command} {self.path}", signed, body))
        self.send_response(200)
        self.end_headers()

    do_GET = do_PUT = do_POST = _take  # noqa: N815 - as the server calls them

    def log_message(self, *args: Any) -> None:
        """Not to the tests' output."""


@contextmanager
def recording() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    said: list[tuple[str, str, str]] = []
    handler = type("Handler", (_Recorder,), {"said": said})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", said
        server.shutdown()
        thread.join()


def set_up(what: str, url: str, **more: str) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "ELASTICSEARCH_HOST": url,
        "KIBANA_HOST": url,
        "SAVED_OBJECTS": str(OBJECTS),
        "ELASTIC_PASSWORD": "elastic-1",
        "KIBANA_PASSWORD": "kibana-1",
        "LOGSTASH_PASSWORD": "logstash-1",
    }
    script = ["sh", str(STACK / "elasticsearch/setup.sh"), what]
    subprocess.run(script, env=environ | more, check=True, timeout=30)


def test_it_puts_everything_into_elasticsearch() -> None:
    with recording() as (url, said):
        set_up("elasticsearch", url)
    sent = {call: json.loads(body) for call, _, body in said if call.startswith("PUT")}
    assert list(sent) == [
        "PUT /_ilm/policy/aihub-logs",
        "PUT /_index_template/aihub-logs",
        "PUT /_security/role/aihub_logs_writer",
        "PUT /_security/user/aihub_logstash",
        "PUT /_security/user/kibana_system/_password",
    ]
    assert sent["PUT /_security/user/aihub_logstash"] == {
        "password": "logstash-1",
        "roles": ["aihub_logs_writer"],
    }
    assert {who for _, who, _ in said} == {"signed in"}


def test_it_puts_everything_into_kibana() -> None:
    with recording() as (url, said):
        set_up("kibana", url)
    call, who, body = said[-1]
    assert (call, who) == ("POST /api/saved_objects/_import?overwrite=true", "signed in")
    assert OBJECTS.read_text() in body


def test_it_fails_where_nothing_answers() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        set_up("elasticsearch", "http://127.0.0.1:9", PATIENCE="2")


def test_values_are_judged_as_elasticsearch_would() -> None:
    assert fits(None, {"type": "long"})
    assert not fits([1], {"type": "keyword"})

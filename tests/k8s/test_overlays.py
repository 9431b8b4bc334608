"""What each overlay and example is for, seen in what it renders to."""

from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from aihub import __version__
from aihub.env import BASE_DIR
from inference.models.batch import JobState
from registry.processing.worker import BATCH, PROCESSING
from tests.k8s.manifests import K8S, OVERLAYS, Manifests, example_secrets, objects_of, takes
from tests.k8s.rules.environment import read_by
from tests.ops.stack.kong_router import plugin_of, routed
from tests.ops.stack.test_kong import KEY, SCHEMA, TOKEN, rendered

ROLES = {"web", "infer", "worker", "batch", "beat"}
PATHS = ("/v2/models/{}/infer", "/v1/models/{}:predict", "/api/v1/models/{}/predict/")
SPOT_LABELS = (
    {"eks.amazonaws.com/capacityType": "SPOT"},
    {"karpenter.sh/capacity-type": "spot"},
    {"cloud.google.com/gke-spot": "true"},
    {"kubernetes.azure.com/scalesetpriority": "spot"},
    {"aihub/spot": "true"},
)


def pod_of(manifests: Manifests, name: str, kind: str = "Deployment") -> Any:
    return manifests.one(kind, name)["spec"]["template"]["spec"]


def port_of(opened: Any) -> Any:
    return opened["port"]


def may_run_on(pod: Any, labels: dict[str, str]) -> bool:
    """Whether a Pod's node affinity takes a node with these labels."""
    required = (
        pod.get("affinity", {})
        .get("nodeAffinity", {})
        .get("requiredDuringSchedulingIgnoredDuringExecution")
    )
    terms = required["nodeSelectorTerms"] if required else [{}]
    return any(takes(term, labels) for term in terms)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_all_roles_come_with_their_migration(folder: str) -> None:
    manifests = objects_of(folder)
    assert manifests.names("Deployment", "aihub") >= ROLES
    job = manifests.one("Job", "migrate")["spec"]
    assert job["template"]["spec"]["containers"][0]["args"] == ["prepare"]
    assert job["ttlSecondsAfterFinished"]


@pytest.mark.parametrize("folder", OVERLAYS)
def test_the_image_is_this_version(folder: str) -> None:
    images = {
        container["image"]
        for workload in objects_of(folder).workloads()
        for container in workload.containers
        if container["image"].split("/")[-1].startswith("aihub:")
    }
    assert len(images) == 1
    assert images.pop().endswith(f"aihub:{__version__}")


def test_image_replicas_and_limits_stand_in_one_place() -> None:
    """What the base, or a component of several overlays, says of them would be a second one."""
    others = [
        *(K8S / "base").rglob("*.yaml"),
        *(K8S / "components" / "autoscaling").rglob("*.yaml"),
    ]
    for path in others:
        for document in yaml.safe_load_all(path.read_text()):
            template = (document.get("spec") or {}).get("template", {})
            containers = template.get("spec", {}).get("containers", ())
            assert not any("resources" in c or ":" in c.get("image", "") for c in containers), path
            assert "replicas" not in (document.get("spec") or {}), path


class TestMinikube:
    def test_every_role_runs_once(self) -> None:
        manifests = objects_of("overlays/minikube")
        assert all(d["spec"]["replicas"] == 1 for d in manifests.of("Deployment"))
        assert not list(manifests.of("HorizontalPodAutoscaler"))

    def test_the_hub_signs_in_to_what_lies_inside(self) -> None:
        secrets = example_secrets()
        hub, data, gateway = (secrets[f"aihub-{n}"] for n in ("secrets", "data", "gateway"))
        assert hub["DATABASE_URL"] == f"mysql://aihub:{data['MYSQL_PASSWORD']}@mysql:3306/aihub"
        for name in ("AIHUB_BROKER_URL", "AIHUB_CACHE_URL"):
            assert hub[name].startswith(f"redis://:{data['REDIS_PASSWORD']}@redis:6379/")
        assert gateway["REDIS_PASSWORD"] == data["REDIS_PASSWORD"]
        services = objects_of("overlays/minikube").names("Service", "aihub")
        assert services >= {"mysql", "redis", "minio", "kong"}


class TestProduction:
    def test_only_the_ingress_may_say_for_whom_it_calls(self) -> None:
        policy = objects_of("overlays/production").one("NetworkPolicy", "kong")["spec"]
        http = [
            r for r in policy["ingress"] if {"proxy", "proxy-tls"} & {*map(port_of, r["ports"])}
        ]
        named = {"kubernetes.io/metadata.name": "ingress-nginx"}
        assert [r["from"] for r in http] == [[{"namespaceSelector": {"matchLabels": named}}]]


class TestSpot:
    @pytest.fixture
    def manifests(self) -> Manifests:
        return objects_of("overlays/spot")

    @pytest.mark.parametrize("labels", SPOT_LABELS, ids=str)
    def test_batch_jobs_and_a_share_of_predictions_run_there_and_nothing_else(
        self, manifests: Manifests, labels: dict[str, str]
    ) -> None:
        there = {w.name for w in manifests.workloads() if may_run_on(w.pod, labels)}
        assert there == {"batch", "infer-spot", "spot-handler"}

    @pytest.mark.parametrize("name", ["batch", "infer-spot"])
    def test_they_run_nowhere_else_and_bear_the_taints(
        self, manifests: Manifests, name: str
    ) -> None:
        pod = pod_of(manifests, name)
        assert not may_run_on(pod, {"kubernetes.io/os": "linux"})
        assert {t["key"] for t in pod["tolerations"]} == {
            "cloud.google.com/gke-spot",
            "kubernetes.azure.com/scalesetpriority",
            "aihub/spot",
        }

    def test_callers_reach_both_kinds_of_replicas_by_one_name(self, manifests: Manifests) -> None:
        for name in ("infer", "infer-pods"):
            selector = manifests.one("Service", name)["spec"]["selector"]
            found = manifests.selected({"matchLabels": selector}, "aihub")
            assert {w.name for w in found} == {"infer", "infer-spot"}

    def test_some_stay_whatever_happens_to_the_others(self, manifests: Manifests) -> None:
        base = manifests.one("HorizontalPodAutoscaler", "infer")["spec"]
        share = manifests.one("HorizontalPodAutoscaler", "infer-spot")["spec"]
        assert base["minReplicas"] >= 2
        assert share["scaleTargetRef"]["name"] == "infer-spot"
        assert share["maxReplicas"] > base["maxReplicas"]

    def test_a_notice_is_waited_for_on_every_spot_node(self, manifests: Manifests) -> None:
        handler = pod_of(manifests, "spot-handler", "DaemonSet")
        batch = pod_of(manifests, "batch")
        assert handler["affinity"] == batch["affinity"]
        assert handler["tolerations"] == batch["tolerations"]
        assert handler["containers"][0]["command"] == ["python", "-m", "ops.spot"]

    def test_its_rights_are_what_it_asks_for(self, manifests: Manifests) -> None:
        """`ops.spot.cluster` patches its node, lists Pods and evicts them."""
        (everywhere,) = manifests.one("ClusterRole", "aihub-spot-handler")["rules"]
        assert (everywhere["resources"], everywhere["verbs"]) == (["nodes"], ["patch"])
        rules = manifests.one("Role", "spot-handler")["rules"]
        assert [(r["resources"], r["verbs"]) for r in rules] == [
            (["pods"], ["list"]),
            (["pods/eviction"], ["create"]),
        ]

    def test_what_leaves_there_ends_within_half_a_minute(self, manifests: Manifests) -> None:
        """Of two minutes, or of the thirty seconds that some providers give."""
        assert pod_of(manifests, "batch")["terminationGracePeriodSeconds"] <= 30
        sleep = pod_of(manifests, "infer-spot")["containers"][0]["lifecycle"]["preStop"]["sleep"]
        assert sleep["seconds"] + 20 <= 30


@pytest.mark.parametrize(
    ("folder", "pool", "target", "model"),
    [
        ("examples/own-pool", "heavy", "infer-heavy:8000", "fraud-detector"),
        ("examples/shared-pod", "small", "infer-small:8010", "digits"),
    ],
)
class TestPools:
    def test_calls_of_its_model_go_to_its_replicas(
        self, folder: str, pool: str, target: str, model: str, tmp_path: Any
    ) -> None:
        kong = yaml.safe_load(self.kong(folder, tmp_path))
        validator = Draft202012Validator(yaml.safe_load(SCHEMA.read_text()))
        assert [error.message for error in validator.iter_errors(kong)] == []
        (upstream,) = [u for u in kong["upstreams"] if u["name"] == f"infer-{pool}"]
        assert upstream["targets"] == [{"target": target}]
        for path in PATHS:
            for headers in (TOKEN, KEY):
                match = routed(kong, "POST", path.format(model), headers)
                assert plugin_of(match, "pre-function")
                own = match.service
                _, other = routed(kong, "POST", path.format(f"{model}-2"), headers)
                assert own
                assert other
                assert (own["host"], other["host"]) == (f"infer-{pool}", "infer")

    def test_its_replicas_serve_it_and_nothing_else(
        self, folder: str, pool: str, target: str, model: str, tmp_path: Any
    ) -> None:
        manifests, (name, port) = objects_of(folder), target.split(":")
        service = manifests.one("Service", name)["spec"]
        assert service["clusterIP"] == "None"  # Kong chooses among Pods by itself
        leads = next(p["targetPort"] for p in service["ports"] if p["port"] == int(port))
        (found,) = manifests.selected({"matchLabels": service["selector"]}, "aihub")
        served = {
            read_by(manifests, found, container).AIHUB_POOL
            for container in found.pod["containers"]
            if leads in {p["name"] for p in container["ports"]}
        }
        assert served == {pool}

    def test_the_other_models_replicas_stay_as_they_were(
        self, folder: str, pool: str, target: str, model: str, tmp_path: Any
    ) -> None:
        manifests = objects_of(folder)
        selector = manifests.one("Service", "infer-pods")["spec"]["selector"]
        (found,) = manifests.selected({"matchLabels": selector}, "aihub")
        assert found.name == "infer"
        first = next(c for c in found.pod["containers"] if c["name"] == "aihub")
        assert read_by(manifests, found, first).AIHUB_POOL == ""

    @staticmethod
    def kong(folder: str, tmp_path: Any) -> str:
        """Kong's file as start.sh makes it of the ConfigMap."""
        manifests = objects_of(folder)
        volume = next(v for v in pod_of(manifests, "kong")["volumes"] if v["name"] == "files")
        files = manifests.one("ConfigMap", volume["configMap"]["name"])["data"]
        source = tmp_path / "kong"
        source.mkdir()
        for name, text in files.items():
            (source / name).write_text(text)
        return rendered(tmp_path, start=source / "start.sh")


class TestKeda:
    def test_workers_are_scaled_by_their_own_queue(self) -> None:
        scaled = {
            o["metadata"]["name"]: o["spec"] for o in objects_of("examples/keda").of("ScaledObject")
        }
        for name, queue in (("worker", PROCESSING), ("batch", BATCH)):
            query = scaled[name]["triggers"][0]["metadata"]["query"]
            assert query.startswith(f'max(aihub_queue_waiting{{queue="{queue}"}})')
        known = (BASE_DIR / "docs" / "metrics.md").read_text()
        assert "`aihub_queue_waiting`" in known
        assert "`aihub_batch_jobs`" in known

    def test_no_batch_worker_is_put_to_sleep_over_a_running_job(self) -> None:
        spec = objects_of("examples/keda").one("ScaledObject", "batch")["spec"]
        query = spec["triggers"][0]["metadata"]["query"]
        states = query.partition('state=~"')[2].partition('"')[0]
        assert set(states.split("|")) == {JobState.QUEUED, JobState.RUNNING}

    def test_batch_workers_may_all_sleep_at_night(self) -> None:
        spec = objects_of("examples/keda").one("ScaledObject", "batch")["spec"]
        assert spec["minReplicaCount"] == 0
        assert [t["type"] for t in spec["triggers"]] == ["prometheus", "cron"]

"""What the autoscaler of `infer` asks for, and the query that answers it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from aihub.env import BASE_DIR
from tests.k8s.manifests import objects_of
from tests.k8s.test_scraping import targets_of

SERIES = "inference_in_flight_requests"


@pytest.fixture(scope="module")
def rule() -> Any:
    manifests = objects_of("overlays/production")
    pod = manifests.one("Deployment", "prometheus-adapter")["spec"]["template"]["spec"]
    config = next(v["configMap"]["name"] for v in pod["volumes"] if v["name"] == "config")
    (rule,) = yaml.safe_load(manifests.one("ConfigMap", config)["data"]["config.yaml"])["rules"]
    return rule


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("overlays/production", "infer"),
        ("overlays/spot", "infer-spot"),
        ("examples/own-pool", "infer-heavy"),
    ],
)
def test_the_autoscaler_asks_for_what_the_rule_offers(rule: Any, folder: str, name: str) -> None:
    metrics = objects_of(folder).one("HorizontalPodAutoscaler", name)["spec"]["metrics"]
    (asked,) = [m["pods"]["metric"]["name"] for m in metrics if m["type"] == "Pods"]
    assert asked == rule["name"]["as"] == SERIES
    assert f"`{SERIES}`" in (BASE_DIR / "docs" / "metrics.md").read_text()


def test_series_have_the_labels_that_it_goes_by(rule: Any) -> None:
    infer = next(w for w in objects_of("overlays/production").workloads() if w.name == "infer")
    ((_, labels),) = targets_of(infer)
    assert rule["resources"]["overrides"].keys() <= labels.keys()
    assert rule["seriesQuery"] == f'{SERIES}{{namespace!="",pod!=""}}'


def test_its_query_counts_the_calls_of_each_pod(rule: Any, tmp_path: Path) -> None:
    query = (
        rule["metricsQuery"]
        .replace("<<.Series>>", SERIES)
        .replace("<<.LabelMatchers>>", 'namespace="aihub",pod=~"infer-0|infer-1"')
        .replace("<<.GroupBy>>", "pod")
    )
    values = {
        ("aihub", "infer-0", "infer-0"): 3,
        ("aihub", "infer-1", "infer-1"): 5,
        ("aihub", "infer-1", "infer-1/small"): 2,
        ("aihub", "infer-heavy-0", "infer-heavy-0"): 9,
        ("other", "infer-0", "infer-0"): 7,
    }
    series = [
        {"series": f'{SERIES}{{namespace="{n}",pod="{p}",instance="{i}"}}', "values": f"{v}x5"}
        for (n, p, i), v in values.items()
    ]
    expected = [{"labels": f'{{pod="infer-{n}"}}', "value": v} for n, v in ((0, 3), (1, 7))]
    asked = [{"expr": query, "eval_time": "1m", "exp_samples": expected}]
    test = {"evaluation_interval": "1m", "tests": [{"interval": "1m", "input_series": series}]}
    test["tests"][0]["promql_expr_test"] = asked
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(test))
    done = subprocess.run(
        ["promtool", "test", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""Ways to get manifests wrong. Each spoils them and names the rule that has to notice."""

from collections.abc import Callable

from tests.k8s.manifests import Manifests, Object
from tests.k8s.rules import (
    Rule,
    environment,
    links,
    network,
    pods,
    probes,
    resources,
    scaling,
)


def _deployment(manifests: Manifests, name: str) -> Object:
    return manifests.one("Deployment", name)["spec"]


def _pod(manifests: Manifests, name: str) -> Object:
    return _deployment(manifests, name)["template"]["spec"]


def _container(manifests: Manifests, name: str) -> Object:
    return _pod(manifests, name)["containers"][0]


def _config(manifests: Manifests) -> Object:
    found = next(
        o for o in manifests.of("ConfigMap") if o["metadata"]["name"].startswith("aihub-config")
    )
    return found["data"]


def a_second_object_of_a_name(m: Manifests) -> Rule:
    m.objects.append(m.one("Service", "web"))
    return links.names_are_unique


def a_forgotten_namespace(m: Manifests) -> Rule:
    del m.one("Service", "web")["metadata"]["namespace"]
    return links.namespaces_are_there


def a_label_that_the_selector_does_not_know(m: Manifests) -> Rule:
    _deployment(m, "web")["selector"]["matchLabels"]["app.kubernetes.io/component"] = "webb"
    return links.selectors_match_their_own_pods


def a_spread_over_others(m: Manifests) -> Rule:
    _pod(m, "web")["topologySpreadConstraints"][0]["labelSelector"] = {
        "matchLabels": {"app.kubernetes.io/component": "infer"}
    }
    return links.selectors_match_their_own_pods


def a_selector_that_takes_all_of_the_hub(m: Manifests) -> Rule:
    del _deployment(m, "web")["selector"]["matchLabels"]["app.kubernetes.io/component"]
    return links.workloads_share_no_pods


def a_service_of_nobody(m: Manifests) -> Rule:
    m.one("Service", "web")["spec"]["selector"]["app.kubernetes.io/component"] = "webb"
    return links.services_reach_ports


def a_service_to_a_port_that_is_not_there(m: Manifests) -> Rule:
    m.one("Service", "infer")["spec"]["ports"][0]["targetPort"] = 8080
    return links.services_reach_ports


def an_ingress_to_a_port_that_is_not_there(m: Manifests) -> Rule:
    port = {"name": "https"}
    m.objects.append(
        {
            "kind": "Ingress",
            "metadata": {"name": "wrong", "namespace": "aihub"},
            "spec": {"defaultBackend": {"service": {"name": "web", "port": port}}},
        }
    )
    return links.ingresses_reach_services


def a_secret_that_nobody_told_of(m: Manifests) -> Rule:
    _secret_reference(m, "web")["name"] = "aihub-secret"
    return links.references_resolve


def a_key_that_the_secret_has_not(m: Manifests) -> Rule:
    _secret_reference(m, "web")["key"] = "PASSWORD"
    return links.references_resolve


def a_config_map_without_its_hash(m: Manifests) -> Rule:
    _container(m, "web")["envFrom"][0]["configMapRef"]["name"] = "aihub-config"
    return links.references_resolve


def an_account_that_does_not_come_along(m: Manifests) -> Rule:
    _pod(m, "web")["serviceAccountName"] = "hub"
    return links.accounts_are_there


def a_priority_that_is_not_there(m: Manifests) -> Rule:
    _pod(m, "web")["priorityClassName"] = "high"
    return links.priorities_are_there


def a_mount_of_no_volume(m: Manifests) -> Rule:
    _container(m, "web")["volumeMounts"].append({"name": "data", "mountPath": "/data"})
    return links.claims_are_there


def a_claim_that_is_not_there(m: Manifests) -> Rule:
    claim = {"persistentVolumeClaim": {"claimName": "data"}}
    _pod(m, "web")["volumes"].append({"name": "data", **claim})
    return links.claims_are_there


def a_variable_with_a_typing_error(m: Manifests) -> Rule:
    _config(m)["AIHUB_TRUSTED_PROXYS"] = "1"
    return environment.names_are_known


def a_value_that_does_not_fit(m: Manifests) -> Rule:
    _config(m)["AIHUB_WORKER_PROCESSES"] = "two"
    return environment.values_are_taken


def a_secret_that_one_role_does_not_get(m: Manifests) -> Rule:
    container = _container(m, "batch")
    container["env"] = [v for v in container["env"] if v["name"] != "AIHUB_SECRET_KEY"]
    return environment.values_are_taken


def a_role_that_there_is_not(m: Manifests) -> Rule:
    _container(m, "infer")["args"] = ["inference"]
    return environment.roles_are_known


def a_cache_as_large_as_its_volume(m: Manifests) -> Rule:
    _config(m)["AIHUB_FILE_CACHE"] = str(20 * 2**30)
    return environment.caches_fit_their_volume


def a_sandbox_as_large_as_its_worker(m: Manifests) -> Rule:
    _config(m)["AIHUB_SANDBOX_MEMORY"] = str(16 * 2**30)
    return environment.sandboxes_fit_their_worker


def a_port_that_the_role_does_not_open(m: Manifests) -> Rule:
    _config(m)["AIHUB_GRPC_PORT"] = "9000"
    return environment.ports_are_served


def a_container_that_may_gain_privileges(m: Manifests) -> Rule:
    del _container(m, "web")["securityContext"]["allowPrivilegeEscalation"]
    return pods.pods_are_restricted


def a_container_with_capabilities(m: Manifests) -> Rule:
    _container(m, "web")["securityContext"]["capabilities"] = {"drop": ["NET_RAW"]}
    return pods.pods_are_restricted


def a_pod_of_root(m: Manifests) -> Rule:
    _pod(m, "web")["securityContext"]["runAsUser"] = 0
    return pods.pods_are_restricted


def a_pod_without_seccomp(m: Manifests) -> Rule:
    del _pod(m, "web")["securityContext"]["seccompProfile"]
    return pods.pods_are_restricted


def a_folder_of_the_node(m: Manifests) -> Rule:
    _pod(m, "web")["volumes"][0] = {"name": "home", "hostPath": {"path": "/srv"}}
    return pods.pods_are_restricted


def a_namespace_that_allows_all(m: Manifests) -> Rule:
    m.one("Namespace", "aihub")["metadata"]["labels"] = {}
    return pods.namespaces_are_restricted


def an_image_that_can_be_written_to(m: Manifests) -> Rule:
    del _container(m, "web")["securityContext"]["readOnlyRootFilesystem"]
    return pods.nothing_writes_to_the_image


def a_token_for_nothing(m: Manifests) -> Rule:
    del _pod(m, "web")["automountServiceAccountToken"]
    return pods.tokens_are_for_those_who_ask_kubernetes


def an_image_of_today(m: Manifests) -> Rule:
    _container(m, "web")["image"] = "registry.example.com/aihub:latest"
    return pods.images_are_pinned


def an_image_without_a_tag(m: Manifests) -> Rule:
    _container(m, "web")["image"] = "aihub"
    return pods.images_are_pinned


def two_containers_at_one_port(m: Manifests) -> Rule:
    _pod(m, "infer")["shareProcessNamespace"] = True
    _pod(m, "infer")["containers"].append(_container(m, "infer") | {"name": "second"})
    return pods.containers_get_along


def two_containers_that_are_both_process_one(m: Manifests) -> Rule:
    _pod(m, "infer")["containers"].append(_container(m, "infer") | {"name": "second", "ports": []})
    return pods.containers_get_along


def liveness_that_asks_the_database(m: Manifests) -> Rule:
    _container(m, "web")["livenessProbe"]["httpGet"]["path"] = "/readyz"
    return probes.roles_are_probed


def a_role_without_a_probe(m: Manifests) -> Rule:
    del _container(m, "worker")["startupProbe"]
    return probes.roles_are_probed


def a_probe_of_a_port_that_is_not_there(m: Manifests) -> Rule:
    _container(m, "worker")["readinessProbe"]["httpGet"]["port"] = "http"
    return probes.probes_ask_ports_that_are_there


def an_end_without_a_pause(m: Manifests) -> Rule:
    del _container(m, "infer")["lifecycle"]
    return probes.proxies_hear_of_the_end_first


def a_grace_period_that_is_too_short(m: Manifests) -> Rule:
    _pod(m, "infer")["terminationGracePeriodSeconds"] = 30
    return probes.ends_fit_the_grace_period


def a_container_without_limits(m: Manifests) -> Rule:
    del _container(m, "web")["resources"]["limits"]["memory"]
    return resources.containers_say_what_they_need


def a_request_above_its_limit(m: Manifests) -> Rule:
    _container(m, "web")["resources"]["requests"]["memory"] = "1025Mi"
    return resources.limits_cover_requests


def a_volume_without_a_bound(m: Manifests) -> Rule:
    _pod(m, "web")["volumes"][0]["emptyDir"] = {}
    return resources.volumes_in_memory_and_on_disk_are_bounded


def a_scaler_of_nobody(m: Manifests) -> Rule:
    m.one("HorizontalPodAutoscaler", "web")["spec"]["scaleTargetRef"]["name"] = "webb"
    return scaling.targets_are_there


def a_number_beside_a_scaler(m: Manifests) -> Rule:
    _deployment(m, "web")["replicas"] = 2
    return scaling.one_decides


def two_scalers(m: Manifests) -> Rule:
    m.one("HorizontalPodAutoscaler", "web")["spec"]["scaleTargetRef"]["name"] = "infer"
    return scaling.one_decides


def a_range_upside_down(m: Manifests) -> Rule:
    m.one("HorizontalPodAutoscaler", "web")["spec"]["minReplicas"] = 100
    return scaling.ranges_are_ranges


def a_share_of_nothing(m: Manifests) -> Rule:
    del _container(m, "web")["resources"]["requests"]["cpu"]
    return scaling.shares_are_of_something


def a_budget_of_nobody(m: Manifests) -> Rule:
    spec = m.one("PodDisruptionBudget", "web")["spec"]
    spec["selector"]["matchLabels"]["app.kubernetes.io/component"] = "webb"
    return scaling.budgets_choose_pods_and_let_one_go


def a_budget_that_lets_none_go(m: Manifests) -> Rule:
    m.one("PodDisruptionBudget", "web")["spec"]["maxUnavailable"] = 0
    return scaling.budgets_choose_pods_and_let_one_go


def pods_in_two_budgets(m: Manifests) -> Rule:
    spec = m.one("PodDisruptionBudget", "web")["spec"]
    spec["selector"] = {"matchLabels": {"app.kubernetes.io/name": "aihub"}}
    return scaling.budgets_choose_pods_and_let_one_go


def a_role_without_a_budget(m: Manifests) -> Rule:
    m.objects.remove(m.one("PodDisruptionBudget", "infer"))
    return scaling.roles_with_replicas_have_budgets


def a_namespace_that_is_open(m: Manifests) -> Rule:
    m.objects.remove(m.one("NetworkPolicy", "nobody"))
    return network.nobody_reaches_anybody_unasked


def a_policy_for_nobody(m: Manifests) -> Rule:
    labels = m.one("NetworkPolicy", "webhooks")["spec"]["podSelector"]["matchLabels"]
    labels["app.kubernetes.io/component"] = "workers"
    return network.policies_choose_pods


def a_policy_from_nobody(m: Manifests) -> Rule:
    peer = m.one("NetworkPolicy", "callers")["spec"]["ingress"][0]["from"][0]
    peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] = "king"
    return network.policies_choose_pods


def a_policy_for_a_port_that_is_not_there(m: Manifests) -> Rule:
    ports = m.one("NetworkPolicy", "callers")["spec"]["ingress"][0]["ports"]
    ports[0]["port"] = "https"
    return network.policies_open_ports_that_are_there


def a_service_that_nobody_may_reach(m: Manifests) -> Rule:
    del m.one("NetworkPolicy", "callers")["spec"]["ingress"][0]["ports"][1]
    return network.ports_that_services_lead_to_are_open


def _secret_reference(m: Manifests, name: str) -> Object:
    variables = _container(m, name)["env"]
    return next(
        v["valueFrom"]["secretKeyRef"]
        for v in variables
        if "secretKeyRef" in v.get("valueFrom", {})
    )


WAYS: tuple[Callable[[Manifests], Rule], ...] = tuple(
    thing
    for name, thing in list(globals().items())
    if getattr(thing, "__module__", "") == __name__ and not name.startswith("_")
)

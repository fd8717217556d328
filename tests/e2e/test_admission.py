"""What the webhook does to pods: only those that ask for it, and what they need to run here."""

import json

import pytest

from cluster import GPUINFER, condition, until
from conftest import MODEL, REGISTRY

WEBHOOK_PODS = "app.kubernetes.io/name=gpuinfer-webhook"
MODEL_PODS = f"app.kubernetes.io/name={MODEL}"


def rendered(cluster, namespace):
    """The objects that `deploy` would send."""
    output = cluster.gpuinfer("deploy", MODEL, "-n", namespace, "--dry-run=client", "-o", "json").stdout
    return json.loads(output)["items"]


def without_our_annotations(item):
    """The same workload from someone who does not know us."""
    item = json.loads(json.dumps(item))
    for metadata in (item["metadata"], item["spec"]["template"]["metadata"]):
        metadata["annotations"] = {key: value for key, value in metadata.get("annotations", {}).items() if not key.startswith(GPUINFER)}
    return item


@pytest.fixture
def plain_deployment(cluster, namespace):
    """The model's objects in the cluster, the Deployment without our annotations; removed afterwards."""
    objects = rendered(cluster, namespace)
    deployment = next(item for item in objects if item["kind"] == "Deployment")
    others = [item for item in objects if item["kind"] != "Deployment"]
    cluster.apply(*others, without_our_annotations(deployment))
    yield deployment
    cluster.kubectl("delete", "deployment,service,serviceaccount", MODEL, "-n", namespace, "--wait", "--cascade=foreground")


def pod_of(cluster, namespace):
    return until(lambda: cluster.only_pod(namespace, MODEL_PODS), f"one pod of {MODEL}")


def patch_pod_template(cluster, namespace, template):
    cluster.kubectl("patch", "deployment", MODEL, "-n", namespace, "-p", json.dumps({"spec": {"template": template}}))


def test_without_the_webhook_the_pod_fits_no_node(cluster, namespace, plain_deployment):
    pod = pod_of(cluster, namespace)
    events = until(lambda: cluster.events(namespace, pod["metadata"]["name"], "FailedScheduling"), "the scheduler's refusal")
    assert "untolerated taint" in events[0]
    assert "tolerations" not in plain_deployment["spec"]["template"]["spec"]


def test_with_a_toleration_alone_its_image_is_not_found(cluster, namespace, plain_deployment):
    patch_pod_template(cluster, namespace, {"spec": {"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]}})

    def waiting_reason():
        pod = cluster.only_pod(namespace, MODEL_PODS)
        statuses = pod["status"].get("containerStatuses", []) if pod else []
        return statuses and statuses[0]["state"].get("waiting", {}).get("reason") in ("ErrImagePull", "ImagePullBackOff")

    until(waiting_reason, "the pull of the original image fails")


def test_annotating_an_existing_deployment_brings_it_up(cluster, namespace, plain_deployment):
    pending = pod_of(cluster, namespace)
    assert condition(pending, "Ready") != "True"
    annotations = {key: value for key, value in plain_deployment["metadata"]["annotations"].items() if key.startswith(GPUINFER)}
    assert annotations[GPUINFER + "inject"] == "true"
    cluster.kubectl("annotate", "deployment", MODEL, "-n", namespace, *(f"{key}={value}" for key, value in annotations.items()))

    deployment = cluster.get("deployment", MODEL, "-n", namespace)
    assert annotations.items() <= deployment["spec"]["template"]["metadata"]["annotations"].items()
    assert "tolerations" not in deployment["spec"]["template"]["spec"], "the workload itself is only annotated"
    cluster.kubectl("rollout", "status", f"deployment/{MODEL}", "-n", namespace, "--timeout=120s")
    pod = until(lambda: cluster.only_pod(namespace, MODEL_PODS), "only the new pod is left")
    assert pod["metadata"]["annotations"][GPUINFER + "injected"]
    assert condition(pod, "Ready") == "True"


def bare_pod(name, annotations):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"containers": [{"name": "server", "image": "ghcr.io/gpuinfer/gpuinfer-server:0", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]},
    }


def admitted(cluster, namespace, pod):
    """The pod as it would be stored (nothing is), and the warnings that its author sees."""
    done = cluster.kubectl("create", "--dry-run=server", "-n", namespace, "-o", "json", "-f", "-", stdin=json.dumps(pod))
    return json.loads(done.stdout), done.stderr


def test_the_offline_preview_is_the_truth(cluster, namespace):
    """Of the fields that `preview` shows, the API server stores the same."""
    pod = bare_pod("preview", {GPUINFER + "inject": "true", GPUINFER + "model": MODEL})
    pod["metadata"]["namespace"] = namespace
    output = cluster.gpuinfer("preview", "-f", "-", "--ecr", REGISTRY, "-o", "json", stdin=json.dumps(pod)).stdout
    previewed = json.loads(output)
    stored, _ = admitted(cluster, namespace, pod)
    assert stored["metadata"]["annotations"] == previewed["metadata"]["annotations"]
    for field in ("tolerations", "volumes"):
        assert previewed["spec"][field]
        assert all(item in stored["spec"][field] for item in previewed["spec"][field])
    before, after = previewed["spec"]["containers"][0], stored["spec"]["containers"][0]
    assert before["image"] == after["image"]
    assert before["env"] == after["env"]
    assert all(mount in after["volumeMounts"] for mount in before["volumeMounts"])


def test_a_pod_that_does_not_ask_is_left_alone(cluster, namespace):
    pod, warnings = admitted(cluster, namespace, bare_pod("plain", {}))
    assert pod["spec"]["containers"][0]["image"] == "ghcr.io/gpuinfer/gpuinfer-server:0"
    assert [volume["name"] for volume in pod["spec"]["volumes"] if not volume["name"].startswith("kube-api-access")] == []
    assert "Warning" not in warnings


def test_a_wrong_annotation_admits_the_pod_unchanged_with_a_warning(cluster, namespace):
    pod, warnings = admitted(cluster, namespace, bare_pod("wrong", {GPUINFER + "inject": "true", GPUINFER + "shm-size": "a lot"}))
    assert GPUINFER + "injected" not in pod["metadata"]["annotations"]
    assert pod["spec"]["containers"][0]["image"] == "ghcr.io/gpuinfer/gpuinfer-server:0"
    assert "Warning" in warnings
    assert GPUINFER + "shm-size" in warnings


def test_an_unknown_annotation_is_wrong_too(cluster, namespace):
    pod, warnings = admitted(cluster, namespace, bare_pod("unknown", {GPUINFER + "inject": "true", GPUINFER + "shmsize": "1Gi"}))
    assert GPUINFER + "injected" not in pod["metadata"]["annotations"]
    assert GPUINFER + "shmsize" in warnings


def test_fields_that_nobody_knows_pass_through(cluster, namespace):
    pod = bare_pod("fields", {GPUINFER + "inject": "true", "example.com/keep": "this ~1 / that"})
    pod["spec"]["containers"][0]["env"] = [{"name": "EMPTY"}, {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]
    pod["spec"]["initContainers"] = [{"name": "fetch", "image": "busybox:1", "restartPolicy": "Always"}]
    stored, _ = admitted(cluster, namespace, pod)
    assert stored["metadata"]["annotations"]["example.com/keep"] == "this ~1 / that"
    assert stored["spec"]["containers"][0]["env"][1] == {"name": "NODE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}
    assert stored["spec"]["initContainers"][0]["restartPolicy"] == "Always"


def test_the_webhooks_pods_come_back_after_deletion(cluster, namespace):
    before = {pod["metadata"]["uid"] for pod in cluster.items("pods", "-n", "gpuinfer-system", "-l", WEBHOOK_PODS)}
    assert len(before) == 2
    cluster.kubectl("delete", "pods", "-n", "gpuinfer-system", "-l", WEBHOOK_PODS, "--wait")
    cluster.kubectl("rollout", "status", "deployment/gpuinfer-webhook", "-n", "gpuinfer-system", "--timeout=120s")
    after = {pod["metadata"]["uid"] for pod in cluster.items("pods", "-n", "gpuinfer-system", "-l", WEBHOOK_PODS)}
    assert not before & after

    def injected():
        pod, _ = admitted(cluster, namespace, bare_pod("again", {GPUINFER + "inject": "true"}))
        return GPUINFER + "injected" in pod["metadata"]["annotations"]

    until(injected, "the webhook answers again")


def test_installing_again_keeps_the_webhooks_pods(cluster):
    before = {pod["metadata"]["uid"] for pod in cluster.items("pods", "-n", "gpuinfer-system", "-l", WEBHOOK_PODS)}
    cluster.gpuinfer("install", "--ecr", REGISTRY, "--toleration", "nvidia.com/gpu")
    after = {pod["metadata"]["uid"] for pod in cluster.items("pods", "-n", "gpuinfer-system", "-l", WEBHOOK_PODS)}
    assert before == after

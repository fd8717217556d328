"""Karpenter makes a GPU node for an injected pod, and none for the same pod as its author wrote it."""

import json

import pytest

from cluster import GPUINFER, condition, script, until

MODEL = "gpt-oss-20b"  # never runs here: KWOK only says so
POD = "on-karpenter"


@pytest.fixture(scope="module")
def node_pool(cluster, tmp_path_factory):
    """The NodePool that `scaffold` writes, in a cluster with Karpenter and without any GPU.

    Only the node class differs: nodes come from KWOK's instead of EKS Auto Mode's. Its instance types carry the labels that the pool's
    requirements ask for.
    """
    folder = tmp_path_factory.mktemp("scaffold")
    cluster.gpuinfer("scaffold", MODEL, "-o", folder)
    script("gpu", "0")
    script("karpenter", "start")
    pool = json.loads(cluster.kubectl("create", "--dry-run=client", "-o", "json", "-f", folder / "node-pool.yaml").stdout)
    assert pool["spec"]["template"]["spec"]["taints"] == [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]
    pool["spec"]["template"]["spec"]["nodeClassRef"] = {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"}
    cluster.apply(pool)
    name = pool["metadata"]["name"]
    until(lambda: condition(cluster.get("nodepool", name), "Ready") == "True", "the node pool is ready")
    yield pool
    script("karpenter", "stop")
    script("gpu", "1")


@pytest.fixture
def create_pod(cluster, namespace):
    """Creates a pod that needs a GPU, with the given annotations; it is removed afterwards."""

    def create(annotations):
        cluster.apply({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": POD, "namespace": namespace, "annotations": annotations},
            "spec": {
                "containers": [
                    {"name": "server", "image": "vllm/vllm-openai:v0.11.0", "resources": {"limits": {"cpu": "2", "memory": "8Gi", "nvidia.com/gpu": "1"}}}
                ]
            },
        })

    yield create
    cluster.kubectl("delete", "pod", POD, "-n", namespace, "--ignore-not-found", "--wait")


def karpenter_says(cluster, namespace, reason):
    """Karpenter's events of that reason about the pod; the scheduler's have the same reasons."""
    events = cluster.items("events", "-n", namespace, "--field-selector", f"involvedObject.name={POD},reason={reason}")
    return [event["message"] for event in events if "karpenter" in (event.get("reportingComponent") or event["source"].get("component"))]


def bound_node(cluster, namespace):
    """The node that the pod runs on, None as long as it runs nowhere."""
    pod = cluster.get("pod", POD, "-n", namespace)
    return cluster.get("node", pod["spec"]["nodeName"]) if pod["status"]["phase"] == "Running" else None


def test_a_pod_that_does_not_ask_gets_no_node(cluster, namespace, node_pool, create_pod):
    create_pod({})
    refusals = until(lambda: karpenter_says(cluster, namespace, "FailedScheduling"), "Karpenter's refusal")
    assert "did not tolerate taint (taint=nvidia.com/gpu:NoSchedule)" in refusals[0]
    assert cluster.get("pod", POD, "-n", namespace)["status"]["phase"] == "Pending"
    assert cluster.items("nodeclaims") == []


def test_the_same_pod_injected_gets_a_node(cluster, namespace, node_pool, create_pod):
    create_pod({GPUINFER + "inject": "true"})
    node = until(lambda: bound_node(cluster, namespace), "the pod runs on a node of Karpenter's")
    claims = cluster.items("nodeclaims")
    assert [claim["status"]["nodeName"] for claim in claims] == [node["metadata"]["name"]]
    labels = node["metadata"]["labels"]
    assert labels["karpenter.sh/nodepool"] == node_pool["metadata"]["name"]
    assert labels["node.kubernetes.io/instance-type"] == "g6.xlarge", "the cheapest one of the pool's families"
    assert {"key": "nvidia.com/gpu", "effect": "NoSchedule"} in node["spec"]["taints"]
    assert karpenter_says(cluster, namespace, "Nominated")


@pytest.mark.parametrize("provisioner", ["auto-mode", "karpenter"])
def test_a_pod_that_names_a_gpu_gets_an_instance_with_it(cluster, namespace, node_pool, create_pod, provisioner):
    """In the labels of either provisioner: the instance types here carry both."""
    create_pod({GPUINFER + "inject": "true", GPUINFER + "provisioner": provisioner, GPUINFER + "gpu-name": "l40s"})
    node = until(lambda: bound_node(cluster, namespace), "the pod runs on a node of Karpenter's")
    assert node["metadata"]["labels"]["node.kubernetes.io/instance-type"] == "g6e.xlarge", "the cheapest one with an L40S"

"""`explain` says what the webhook did to a pod, field by field, and why the pod does not run."""

import json

import pytest

from cluster import GPUINFER, until

NAME = "explained"
LABELS = {"app": NAME}


def deployment(annotations):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "annotations": annotations},
        "spec": {
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS},
                # More GPUs than the node has, so that the pod stays pending.
                "spec": {"containers": [{"name": "server", "image": "ghcr.io/org/server:1", "resources": {"limits": {"nvidia.com/gpu": "64"}}}]},
            },
        },
    }


@pytest.fixture
def explained(cluster, namespace):
    """Applies a Deployment with the given annotations and explains its pod, once the scheduler has looked at it."""

    def explain(annotations):
        workload = deployment(annotations)
        workload["metadata"]["namespace"] = namespace
        cluster.apply(workload)
        pod = until(lambda: cluster.only_pod(namespace, f"app={NAME}"), "one pod")
        until(lambda: cluster.events(namespace, pod["metadata"]["name"], "FailedScheduling"), "the scheduler's refusal")
        return json.loads(cluster.gpuinfer("explain", f"deployment/{NAME}", "-n", namespace, "-o", "json").stdout)

    yield explain
    cluster.kubectl("delete", "deployment", NAME, "-n", namespace, "--ignore-not-found", "--wait", "--cascade=foreground")


def test_every_field_has_its_policy_and_its_reason(explained):
    explanation = explained({GPUINFER + "inject": "true"})
    assert explanation["injected"]
    assert explanation["original"].startswith("the template of ReplicaSet/explained-")
    policies = {policy["policy"]: policy for policy in explanation["policies"]}
    assert policies["gpu_toleration"]["state"] == "done"
    assert policies["gpu_toleration"]["fields"] == ["spec.tolerations"]
    assert "container 'server' requests it" in policies["gpu_toleration"]["reasons"][0]
    assert "spec.containers[server].image" in policies["image_registry"]["fields"]
    assert policies["model_storage"]["state"] in ("off", "nothing to do")
    assert "Insufficient nvidia.com/gpu" in explanation["problem"]


def test_a_pod_without_injection_is_told_why(explained):
    explanation = explained({})
    assert not explanation["injected"]
    assert "no annotation" in explanation["summary"]
    assert "untolerated taint" in explanation["problem"]

"""Workloads that ask for injection: they get their annotations copied to their pod template, their pods get the rest."""

import json

import pytest

from cluster import GPUINFER, until
from load import pod_that_asks

ASKS = {GPUINFER + "inject": "true", GPUINFER + "shm-size": "1Gi"}


def template(labels=None):
    spec = pod_that_asks()["spec"]
    return {"metadata": {"labels": labels or {}}, "spec": {**spec, "restartPolicy": "Never"}}


@pytest.fixture
def create(cluster, namespace):
    """Creates an object in the namespace, and deletes it after the test. Returns it as it is stored."""
    created = []

    def create_and_get(item):
        cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(item))
        created.append((item["kind"], item["metadata"]["name"]))
        return cluster.get(*created[-1], "-n", namespace)

    yield create_and_get
    for kind, name in created:
        cluster.kubectl("delete", kind, name, "-n", namespace, "--cascade=foreground", "--wait")


def pod_of(cluster, namespace, selector):
    return until(lambda: cluster.only_pod(namespace, selector), "the controller makes its pod")


def assert_injected(pod):
    assert pod["metadata"]["annotations"][GPUINFER + "injected"]
    shm = [volume["emptyDir"] for volume in pod["spec"]["volumes"] if volume.get("emptyDir", {}).get("medium") == "Memory"]
    assert [volume["sizeLimit"] for volume in shm] == ["1Gi"], "the annotation of the workload counts for its pods"


def test_the_pods_of_a_deployment(cluster, namespace, create):
    pod_template = template({"app": "workload-deployment"})
    pod_template["spec"]["restartPolicy"] = "Always"
    stored = create({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "workload-deployment", "annotations": ASKS},
        "spec": {"selector": {"matchLabels": {"app": "workload-deployment"}}, "template": pod_template},
    })
    assert ASKS.items() <= stored["spec"]["template"]["metadata"]["annotations"].items()
    assert "tolerations" not in stored["spec"]["template"]["spec"]
    assert_injected(pod_of(cluster, namespace, "app=workload-deployment"))


def test_the_pods_of_a_job(cluster, namespace, create):
    stored = create({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "workload-job", "annotations": ASKS}, "spec": {"template": template()}})
    assert ASKS.items() <= stored["spec"]["template"]["metadata"]["annotations"].items()
    assert_injected(pod_of(cluster, namespace, "batch.kubernetes.io/job-name=workload-job"))


@pytest.fixture
def leader_worker_sets(cluster):
    """A resource of that name and shape; its controller is not needed, because the pods come from templates like any others."""
    name = "leaderworkersets.leaderworkerset.x-k8s.io"
    cluster.apply({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
        "spec": {
            "group": "leaderworkerset.x-k8s.io", "scope": "Namespaced", "names": {"plural": "leaderworkersets", "singular": "leaderworkerset", "kind": "LeaderWorkerSet"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}],
        },
    })
    cluster.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")
    yield
    cluster.kubectl("delete", "crd", name)


@pytest.mark.usefixtures("leader_worker_sets")
def test_both_templates_of_a_leader_worker_set(cluster, namespace, create):
    stored = create({
        "apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "metadata": {"name": "workload-lws", "annotations": ASKS},
        "spec": {"replicas": 1, "leaderWorkerTemplate": {"size": 2, "leaderTemplate": template(), "workerTemplate": template()}},
    })
    for which in ("leaderTemplate", "workerTemplate"):
        pod_template = stored["spec"]["leaderWorkerTemplate"][which]
        assert ASKS.items() <= pod_template["metadata"]["annotations"].items()
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": which.lower(), **pod_template["metadata"]}, "spec": pod_template["spec"]}
        assert_injected(create(pod))

"""`install --failure-policy Fail`: without the webhook nothing is admitted uninjected, and nobody who does not ask is held up."""

import json

import pytest

from cluster import until
from installation import SYSTEM, WEBHOOK, install, is_injecting, roll_out
from load import pod_that_asks


def scale(cluster, replicas):
    cluster.kubectl("scale", f"deployment/{WEBHOOK}", "-n", SYSTEM, f"--replicas={replicas}")


@pytest.fixture(scope="module")
def without_replicas(cluster, namespace):
    install(cluster, "--failure-policy", "Fail")
    assert is_injecting(cluster, namespace)
    scale(cluster, 0)
    until(lambda: not cluster.items("pods", "-n", SYSTEM, "-l", f"app.kubernetes.io/name={WEBHOOK}"), "the webhook's pods are gone")
    yield cluster
    install(cluster)
    until(lambda: is_injecting(cluster, namespace), "the webhook is back")


def dry_create(cluster, namespace, pod):
    return cluster.kubectl("create", "--dry-run=server", "-n", namespace, "-f", "-", stdin=json.dumps(pod), check=False)


def test_a_pod_that_asks_is_refused_and_told_by_whom(without_replicas, namespace):
    refused = dry_create(without_replicas, namespace, pod_that_asks())
    assert refused.returncode != 0
    assert "failed calling webhook" in refused.stderr and "gpuinfer" in refused.stderr


def test_a_pod_that_does_not_ask_is_admitted(without_replicas, namespace):
    pod = pod_that_asks()
    del pod["metadata"]["annotations"]
    admitted = dry_create(without_replicas, namespace, pod)
    assert admitted.returncode == 0, admitted.stderr


def test_the_doctor_says_what_is_wrong(without_replicas):
    report = without_replicas.gpuinfer("doctor", check=False)
    assert report.returncode == 1
    assert WEBHOOK in report.stdout


def test_the_webhook_comes_back_by_itself(without_replicas, namespace):
    """Its own pods do not need it."""
    scale(without_replicas, 2)
    roll_out(without_replicas)
    until(lambda: is_injecting(without_replicas, namespace), "pods that ask are injected again")

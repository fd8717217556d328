"""The webhook as the fixture `cluster` has installed it: what it does, and how to get it back."""

import json

from cluster import condition, until
from conftest import REGISTRY
from load import pod_that_asks

SYSTEM = "gpuinfer-system"
WEBHOOK = "gpuinfer-webhook"


def webhook_pods(cluster):
    """Those that are ready and not on their way out."""
    pods = cluster.items("pods", "-n", SYSTEM, "-l", f"app.kubernetes.io/name={WEBHOOK}")
    return [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"] and condition(pod, "Ready") == "True"]


def roll_out(cluster):
    cluster.kubectl("rollout", "status", f"deployment/{WEBHOOK}", "-n", SYSTEM, "--timeout=120s")
    until(lambda: len(webhook_pods(cluster)) == 2, "two webhook pods are ready")


def admitted(cluster, namespace):
    """The annotations of a pod that asks for injection, as it would be stored."""
    output = cluster.kubectl("create", "--dry-run=server", "-n", namespace, "-o", "json", "-f", "-", stdin=json.dumps(pod_that_asks()), check=False)
    return json.loads(output.stdout)["metadata"]["annotations"] if output.returncode == 0 else {}


def is_injecting(cluster, namespace):
    return "gpuinfer.dev/injected" in admitted(cluster, namespace)


def install(cluster, *options):
    """As the fixture `cluster` did it."""
    cluster.gpuinfer("install", "--ecr", REGISTRY, "--toleration", "nvidia.com/gpu", *options)
    roll_out(cluster)

"""`kubectl gpuinfer doctor` on a real installation: healthy, and with something broken."""

import json

import pytest

from cluster import GPUINFER, until
from load import pod_that_asks

SYSTEM = "gpuinfer-system"
WEBHOOK = "gpuinfer-webhook"


def examined(cluster, namespace):
    """The exit code, and check -> what it complains about."""
    done = cluster.gpuinfer("doctor", "-o", "json", "-n", namespace, check=False)
    findings = json.loads(done.stdout)["findings"]
    assert all(finding["remedy"] for finding in findings if finding["severity"] != "ok")
    return done.returncode, {finding["check"]: finding["what"] for finding in findings if finding["severity"] != "ok"}


def wait_until_healthy(cluster, namespace):
    """As long as the kubelet takes to bring a ConfigMap to the replicas, and then once more: a document that was there for
    a moment may still arrive, and be replaced with the next round."""
    until(lambda: examined(cluster, namespace), "nothing is wrong", seconds=240, accept=lambda found: found == (0, {}))


@pytest.fixture
def healthy(cluster, namespace):
    wait_until_healthy(cluster, namespace)
    yield cluster
    wait_until_healthy(cluster, namespace)


def test_a_healthy_installation_gets_a_table(healthy, namespace):
    table = healthy.gpuinfer("doctor", "-n", namespace).stdout
    assert table.splitlines()[0].split() == ["CHECK", "RESULT", "FINDING"]
    assert "failurePolicy Ignore" in table
    assert table.count("trusted, for another") == 2


def test_a_pod_that_was_admitted_without_injection_is_found(healthy, namespace):
    """Ignore admits it unchanged while no webhook runs; the finding says how to replace it."""
    healthy.kubectl("scale", "deployment", WEBHOOK, "-n", SYSTEM, "--replicas=0")
    until(lambda: not healthy.items("endpointslices", "-n", SYSTEM, "-l", f"kubernetes.io/service-name={WEBHOOK}")[0]["endpoints"], "nobody answers")
    pod = pod_that_asks(name="missed")
    del pod["metadata"]["generateName"]
    healthy.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(pod))
    code, complaints = examined(healthy, namespace)
    assert code == 1
    assert complaints["replicas"] == "scaled to zero: nobody answers"
    assert "missed asked for injection and was admitted without it" in complaints["injection"]

    healthy.kubectl("scale", "deployment", WEBHOOK, "-n", SYSTEM, "--replicas=2")
    healthy.kubectl("rollout", "status", f"deployment/{WEBHOOK}", "-n", SYSTEM, "--timeout=120s")
    until(lambda: examined(healthy, namespace), "only the pod is left to complain about", accept=lambda found: set(found[1]) == {"injection"})
    healthy.kubectl("delete", "pod", "missed", "-n", namespace)
    healthy.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(pod))
    assert GPUINFER + "injected" in healthy.get("pod", "missed", "-n", namespace)["metadata"]["annotations"]
    healthy.kubectl("delete", "pod", "missed", "-n", namespace)


def test_a_wrong_policy_document_is_found_and_the_old_one_stays(healthy, namespace):
    config_map = healthy.get("configmap", "gpuinfer-policy", "-n", SYSTEM)
    wrong = {"data": {**{name: None for name in config_map["data"]}, "wrong.yaml": "kind: Nonsense\n"}}
    healthy.kubectl("patch", "configmap", "gpuinfer-policy", "-n", SYSTEM, "--type=merge", "-p", json.dumps(wrong))
    try:
        code, complaints = examined(healthy, namespace)
        assert code == 1 and complaints["policies"].startswith("the ConfigMap gpuinfer-policy: wrong.yaml:1:")
    finally:
        right = {"data": {"wrong.yaml": None, **config_map["data"]}}
        healthy.kubectl("patch", "configmap", "gpuinfer-policy", "-n", SYSTEM, "--type=merge", "-p", json.dumps(right))


def test_an_altered_configuration_is_found(healthy, namespace):
    change = [{"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 30}]
    healthy.kubectl("patch", "mutatingwebhookconfiguration", WEBHOOK, "--type=json", "-p", json.dumps(change))
    assert examined(healthy, namespace) == (1, {"configuration": "pods.gpuinfer.dev: timeoutSeconds is not what this version installs"})
    change[0]["value"] = 3
    healthy.kubectl("patch", "mutatingwebhookconfiguration", WEBHOOK, "--type=json", "-p", json.dumps(change))

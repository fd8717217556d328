"""Another webhook changes a pod after ours: ours is asked again, and what was added gets what it needs too."""

import base64
import json
import os
import pathlib
import signal
import subprocess

import pytest

from cluster import GPUINFER, SCRIPTS, run, until
from load import pod_that_asks

PORT = 19443
NAME = "zz-second"  # webhooks are called in the order of their configurations' names


@pytest.fixture
def second_webhook(cluster, namespace, tmp_path):
    both = tmp_path / "both.pem"
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=second",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", both, "-out", tmp_path / "tls.crt"])
    certificate = (tmp_path / "tls.crt").read_bytes()
    both.write_bytes(both.read_bytes() + certificate)
    program = pathlib.Path(__file__).with_name("second_webhook.py")
    process = subprocess.Popen([SCRIPTS / "run", "python3", program, str(PORT), both], start_new_session=True)
    cluster.apply({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [{
            "name": "second.example.com",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": f"https://127.0.0.1:{PORT}/", "caBundle": base64.b64encode(certificate).decode()},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "sideEffects": "None",
            "failurePolicy": "Fail",
        }],
    })
    yield
    cluster.kubectl("delete", "mutatingwebhookconfiguration", NAME)
    os.killpg(process.pid, signal.SIGKILL)  # the script, and the program that it started in the cluster's namespaces
    process.wait()


@pytest.mark.usefixtures("second_webhook")
def test_what_another_webhook_adds_is_injected_as_well(cluster, namespace):
    def created():
        pod = json.dumps(pod_that_asks())
        answer = cluster.kubectl("create", "--dry-run=server", "-n", namespace, "-o", "json", "-f", "-", stdin=pod, check=False)
        pod = json.loads(answer.stdout) if answer.returncode == 0 else {}
        return len(pod.get("spec", {}).get("containers", [])) == 2 and pod

    pod = until(created, "the second webhook adds its container")
    assert pod["metadata"]["annotations"][GPUINFER + "injected"]
    mounts = [{mount["mountPath"] for mount in container["volumeMounts"]} for container in pod["spec"]["containers"]]
    assert all("/dev/shm" in paths for paths in mounts), "ours was asked again for the container that came later"
    shared = {mount["name"] for container in pod["spec"]["containers"] for mount in container["volumeMounts"] if mount["mountPath"] == "/dev/shm"}
    assert shared == {volume["name"] for volume in pod["spec"]["volumes"] if volume.get("emptyDir", {}).get("medium") == "Memory"}
    assert sum(toleration["key"] == "nvidia.com/gpu" for toleration in pod["spec"]["tolerations"]) == 1

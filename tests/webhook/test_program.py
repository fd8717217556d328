"""gpuinfer-webhook as a process: exit codes, messages, TLS with another implementation, and SIGTERM."""

import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest

WEBHOOK = pathlib.Path(os.environ["GPUINFER_BIN"]) / "gpuinfer-webhook"
DOCUMENTATION = pathlib.Path(__file__).resolve().parents[2] / "docs" / "webhook.md"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"annotations": {"gpuinfer.dev/inject": "true"}},
    "spec": {"containers": [{"name": "server", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]},
}
REVIEW = json.dumps({
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {"uid": "u", "operation": "CREATE", "object": POD},
}).encode()


@pytest.fixture(scope="module", name="pair")
def make_pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "tls.crt", folder / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    return certificate, key


def run(*arguments):
    return subprocess.run([WEBHOOK, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_wrong_flags_exit_with_2():
    assert run().returncode == 2
    assert run("--no-such-flag").returncode == 2
    assert run("--tls-cert", "x", "--tls-key", "y", "--port", "70000").returncode == 2


def test_missing_files_exit_with_1_and_name_the_file():
    result = run("--tls-cert", "/no/tls.crt", "--tls-key", "/no/tls.key")
    assert result.returncode == 1
    assert result.stderr == "error: cannot read /no/tls.crt: No such file or directory\n"


def test_a_wrong_policy_document_is_named_with_its_place(pair, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("apiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: x}\nspec: {gpus: 1}\n")
    result = run("--tls-cert", pair[0], "--tls-key", pair[1], "--policy", policy)
    assert result.returncode == 1
    assert f"error: {policy}:4:14: spec.gpus is an unknown key" in result.stderr
    assert "known keys here: " in result.stderr


@pytest.fixture(name="server")
def start_server(pair):
    """The process and the line in which it says where it serves."""
    command = [WEBHOOK, "--tls-cert", pair[0], "--tls-key", pair[1], "--port", "0", "--metrics-port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, json.loads(process.stderr.readline())
        finally:
            process.kill()


def post(port, pair, body):
    request = urllib.request.Request(f"https://localhost:{port}/mutate", body, {"Content-Type": "application/json"})
    context = ssl.create_default_context(cafile=pair[0])
    with urllib.request.urlopen(request, context=context, timeout=30) as answer:
        return json.load(answer)


def test_it_serves_until_sigterm(pair, server):
    process, serving = server
    assert serving["message"] == "serving"
    response = post(serving["port"], pair, REVIEW)["response"]
    assert response["uid"] == "u" and response["allowed"] and response["patchType"] == "JSONPatch"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert '"stopping"' in process.stderr.read()


def test_the_documentation_describes_every_metric(pair, server):
    _, serving = server
    post(serving["port"], pair, REVIEW)
    with pytest.raises(urllib.error.HTTPError):
        post(serving["port"], pair, b"{")
    with urllib.request.urlopen(f"http://localhost:{serving['metrics_port']}/metrics", timeout=30) as answer:
        metrics = re.findall(r"^# TYPE (\S+)", answer.read().decode(), re.MULTILINE)
    described = re.findall(r"^\| `(gpuinfer_webhook_\w+)`", DOCUMENTATION.read_text("utf-8"), re.MULTILINE)
    assert set(metrics) == set(described)

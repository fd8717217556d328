"""What goes wrong is said, with the reason and what to do, and nothing stays half-done."""

import json

import pytest

from cluster import until
from conftest import MODEL

SELECTOR = f"app.kubernetes.io/name={MODEL}"


def fails(cluster, *arguments):
    """The message of a command that must fail: "error: WHAT" and the remedy below it."""
    done = cluster.gpuinfer(*arguments, check=False)
    assert done.returncode == 1, f"exited with {done.returncode}\n{done.stdout}{done.stderr}"
    lines = done.stderr.splitlines()
    error = next(number for number, line in enumerate(lines) if line.startswith("error: "))
    assert len(lines) > error + 1, f"no remedy below: {done.stderr}"
    return done.stderr


@pytest.fixture
def write_kubeconfig(cluster, tmp_path):
    """Writes the cluster's kubeconfig with another server or another user; returns its path."""

    def write(server=None, token=None):
        config = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json").stdout)
        if server:
            config["clusters"][0]["cluster"]["server"] = server
        if token:
            config["users"][0]["user"] = {"token": token}
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        return path

    return write


@pytest.fixture
def user_who_may(cluster, namespace):
    """Makes a service account with the given rules in the namespace; returns its token."""

    def make(*rules):
        metadata = {"name": "someone", "namespace": namespace}
        cluster.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules},
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": metadata,
                "subjects": [{"kind": "ServiceAccount", **metadata}],
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "someone"},
            },
        )
        return cluster.kubectl("create", "token", "someone", "-n", namespace).stdout.strip()

    yield make
    cluster.kubectl("delete", "serviceaccount,role,rolebinding", "someone", "-n", namespace)


def test_an_api_server_that_does_not_answer(cluster, write_kubeconfig):
    message = fails(cluster, "status", "--kubeconfig", write_kubeconfig(server="https://127.0.0.1:1"))
    assert "127.0.0.1:1" in message


def test_a_kubeconfig_that_does_not_parse(cluster, tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text("clusters: [\n")
    assert str(path) in fails(cluster, "status", "--kubeconfig", path)


def test_a_kubeconfig_that_is_not_there(cluster, tmp_path):
    assert "nowhere" in fails(cluster, "status", "--kubeconfig", tmp_path / "nowhere")


def test_a_context_that_is_not_there(cluster):
    assert "elsewhere" in fails(cluster, "status", "--context", "elsewhere")


def test_a_wrong_token_is_refused(cluster, namespace, write_kubeconfig):
    fails(cluster, "status", "-n", namespace, "--kubeconfig", write_kubeconfig(token="nobody"))


def test_a_user_without_rights(cluster, namespace, write_kubeconfig, user_who_may):
    kubeconfig = write_kubeconfig(token=user_who_may())
    message = fails(cluster, "deploy", MODEL, "-n", namespace, "--kubeconfig", kubeconfig)
    assert "system:serviceaccount:gpuinfer-e2e:someone" in message
    assert cluster.leftovers(namespace, SELECTOR) == []


def test_a_user_with_half_the_rights_leaves_nothing_half_done(cluster, namespace, write_kubeconfig, user_who_may):
    token = user_who_may({"apiGroups": [""], "resources": ["serviceaccounts", "services"], "verbs": ["*"]})
    message = fails(cluster, "deploy", MODEL, "-n", namespace, "--kubeconfig", write_kubeconfig(token=token))
    assert "deployments" in message
    assert cluster.leftovers(namespace, SELECTOR) == []


def test_an_unknown_model_suggests_the_one_that_was_meant(cluster, namespace):
    assert MODEL in fails(cluster, "deploy", "smolm2-135m", "-n", namespace)


def test_chat_with_what_is_not_deployed(cluster, namespace):
    assert MODEL in fails(cluster, "chat", MODEL, "-n", namespace, "hello")


def test_a_claim_that_is_not_there_is_the_reason_given(cluster):
    """The weights' claim is looked for in the pod's own namespace, and this one has none."""
    elsewhere = "gpuinfer-e2e-no-claim"
    cluster.kubectl("create", "namespace", elsewhere)
    try:
        until(lambda: cluster.get("serviceaccount", "default", "-n", elsewhere), "the namespace is ready")
        message = fails(cluster, "deploy", MODEL, "-n", elsewhere, "--timeout", "10s")
        assert "gpuinfer-models" in message
    finally:
        cluster.kubectl("delete", "namespace", elsewhere, "--wait")

"""What we write for others to apply is accepted by a real API server."""

import json
import os
import pathlib

import pytest

from cluster import run
from conftest import MODEL

KARPENTER = "sigs.k8s.io/karpenter@v1.14.1"


def test_deploy_can_ask_the_server_without_changing_anything(cluster, namespace):
    output = cluster.gpuinfer("deploy", MODEL, "-n", namespace, "--dry-run=server", "-o", "json").stdout
    deployment = next(item for item in json.loads(output)["items"] if item["kind"] == "Deployment")
    assert deployment["metadata"]["managedFields"] or deployment["metadata"]["uid"]
    assert cluster.get("deployment", MODEL, "-n", namespace) is None


@pytest.fixture
def karpenter(bare_cluster, tmp_path):
    """Karpenter's real resource definitions, out of its Go module."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "gpuinfer"
    environment = dict(os.environ, GOPATH=str(cache / "go"), GOFLAGS="")
    module = json.loads(run(["go", "mod", "download", "-json", KARPENTER], cwd=tmp_path, env=environment).stdout)
    definitions = pathlib.Path(module["Dir"]) / "pkg" / "apis" / "crds"
    bare_cluster.kubectl("apply", "--server-side", "-f", definitions)
    bare_cluster.kubectl("wait", "--for=condition=Established", "crd/nodepools.karpenter.sh", "--timeout=30s")
    yield
    bare_cluster.kubectl("delete", "-f", definitions)


@pytest.mark.usefixtures("karpenter")
def test_scaffold_is_accepted_by_the_api_server(cluster, namespace, tmp_path):
    """The model's objects and the pool that makes its GPU node, whose definition is Karpenter's own."""
    folder = tmp_path / "smollm2"
    cluster.gpuinfer("scaffold", MODEL, "-o", folder, "-n", namespace)
    accepted = cluster.kubectl("apply", "--dry-run=server", "-k", folder).stdout
    for created in (f"serviceaccount/{MODEL}", f"service/{MODEL}", f"deployment.apps/{MODEL}", "nodepool.karpenter.sh/gpu"):
        assert f"{created} created (server dry run)" in accepted

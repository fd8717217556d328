"""The cluster with a GPU node, our images in its store, the weights on a volume, and the webhook installed."""

import os
import pathlib

import pytest

from cluster import REPOSITORY, Cluster, run, script, until
from golden import DryRuns, golden_cases, prerequisites

NAMESPACE = "gpuinfer-e2e"
MODEL = "smollm2-135m"
REGISTRY = "111122223333.dkr.ecr.us-west-2.amazonaws.com"


def pytest_addoption(parser):
    parser.addoption("--down", action="store_true", help="end the cluster after the tests; it is left up without this")


@pytest.fixture(scope="session")
def programs():
    folder = os.environ.get("GPUINFER_BIN")
    assert folder, "GPUINFER_BIN has to name the folder of the built programs: build/release/bin"
    return pathlib.Path(folder).resolve()


@pytest.fixture(scope="session")
def bare_cluster(programs, request):
    """The cluster as an earlier run may have left it, without what that run created."""
    kubeconfig = script("up").splitlines()[-1]
    cluster = Cluster(programs, pathlib.Path(kubeconfig))
    script("karpenter", "stop")  # a run that was interrupted left it; its nodes would take others' pods
    cluster.kubectl("delete", "mutatingwebhookconfiguration", "gpuinfer-webhook", "--ignore-not-found")
    cluster.kubectl("delete", "namespace", NAMESPACE, "gpuinfer-system", "--ignore-not-found", "--wait")
    cluster.kubectl("delete", "persistentvolume", "gpuinfer-models", "--ignore-not-found")
    script("gpu", "1")
    yield cluster
    if request.config.getoption("--down"):
        script("down")


@pytest.fixture(scope="session")
def version(bare_cluster):
    return bare_cluster.gpuinfer("version", "--client").stdout.split()[-1]


@pytest.fixture(scope="session")
def server_image(version):
    return f"{REGISTRY}/github/gpuinfer/gpuinfer-server:{version}"


@pytest.fixture(scope="session")
def images(bare_cluster, programs, version, server_image):
    """The webhook's image under its own name; the server's only under the name that the webhook has to give it. There is no registry."""
    original = f"ghcr.io/gpuinfer/gpuinfer-server:{version}"
    if original in bare_cluster.image_names():
        script("run", "ctr", "-n", "k8s.io", "images", "rm", original)
    for name, options in (("webhook", []), ("server", ["--tag", server_image])):
        build = run([REPOSITORY / "scripts" / "build-image", name, "--preset", programs.parent.name, *options])
        script("image-import", build.stdout.splitlines()[-1])
    assert original not in bare_cluster.image_names()


@pytest.fixture(scope="session")
def namespace(bare_cluster, programs):
    """A namespace with the claim `gpuinfer-models`, on a volume that is this machine's model cache."""
    weights = run([programs / "kubectl-gpuinfer", "models", "pull", MODEL]).stdout.splitlines()[-1]
    models = pathlib.Path(weights).parent
    bare_cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "gpuinfer-models"},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadOnlyMany"],
                "storageClassName": "",
                "claimRef": {"namespace": NAMESPACE, "name": "gpuinfer-models"},
                "hostPath": {"path": str(models), "type": "Directory"},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "gpuinfer-models", "namespace": NAMESPACE},
            "spec": {"accessModes": ["ReadOnlyMany"], "storageClassName": "", "volumeName": "gpuinfer-models", "resources": {"requests": {"storage": "1Gi"}}},
        },
    )
    until(lambda: bare_cluster.get("serviceaccount", "default", "-n", NAMESPACE), "the namespace is ready")
    return NAMESPACE


@pytest.fixture(scope="session")
def cluster(bare_cluster, images, namespace):
    """The cluster with the webhook installed, as a user of one GPU node pool and an ECR pull-through cache installs it."""
    bare_cluster.gpuinfer("install", "--ecr", REGISTRY, "--toleration", "nvidia.com/gpu")
    return bare_cluster


@pytest.fixture(scope="session")
def golden(programs):
    return golden_cases(programs)


@pytest.fixture(scope="module")
def without_webhook(bare_cluster):
    """The webhook of the other tests is not asked while the tests of a module run."""
    configuration = bare_cluster.get("mutatingwebhookconfiguration", "gpuinfer-webhook")
    bare_cluster.kubectl("delete", "mutatingwebhookconfiguration", "gpuinfer-webhook", "--ignore-not-found")
    yield bare_cluster
    if configuration:
        for key in ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"):
            configuration["metadata"].pop(key, None)
        bare_cluster.apply(configuration)


@pytest.fixture(scope="module")
def dry_runs(without_webhook, golden):
    without_webhook.apply(*prerequisites(golden))
    runs = DryRuns()
    yield runs
    runs.close()

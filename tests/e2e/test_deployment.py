"""One command from nothing to a chat: deploy, the live pod, chat, logs, status, delete."""

import json
import re

import pytest

from cluster import GPUINFER, condition, until
from conftest import MODEL, REGISTRY

SELECTOR = f"app.kubernetes.io/name={MODEL}"
QUESTION = "What is machine learning?"
# What llama.cpp says, greedily, with these weights as float32. With the quantised file itself it rounds activations to eight bits, and says
# "subfield", which is 0.11 less likely (in log probability) than "subset" when nothing is rounded.
ANSWER = (
    "Machine learning is a subset of artificial intelligence that leverages algorithms to enable computers to learn from data "
    "without being explicitly programmed."
)


@pytest.fixture(scope="module")
def deployed(cluster, namespace):
    """The output of `deploy`. What a failing test leaves is deleted; the last test of this file deletes it as a user does."""
    yield cluster.gpuinfer("deploy", MODEL, "-n", namespace).stdout
    cluster.gpuinfer("delete", MODEL, "-n", namespace, check=False)


@pytest.fixture
def pod(cluster, namespace, deployed):
    return until(lambda: cluster.only_pod(namespace, SELECTOR), f"one pod of {MODEL}")


@pytest.fixture
def server(pod):
    return next(container for container in pod["spec"]["containers"] if container["name"] == "server")


def volume_at(pod, container, path):
    mount = next(mount for mount in container["volumeMounts"] if mount["mountPath"] == path)
    return mount, next(volume for volume in pod["spec"]["volumes"] if volume["name"] == mount["name"])


def bytes_of(quantity):
    """Kubernetes' binary quantities: "512Mi"."""
    number, unit = re.fullmatch(r"(\d+)([KMGT]i)?", quantity).groups()
    return int(number) * 1024 ** (" KMGT".index(unit[0]) if unit else 0)


def test_deploy_waits_until_the_pod_is_ready(pod):
    assert condition(pod, "Ready") == "True"


def test_the_pod_says_what_was_done(pod):
    annotations = pod["metadata"]["annotations"]
    assert annotations[GPUINFER + "injected"]
    assert annotations[GPUINFER + "original-image.server"].startswith("ghcr.io/gpuinfer/gpuinfer-server:")


def test_the_workload_itself_is_as_its_author_wrote_it(cluster, namespace, deployed):
    spec = cluster.get("deployment", MODEL, "-n", namespace)["spec"]["template"]["spec"]
    assert "tolerations" not in spec
    assert "volumes" not in spec
    assert spec["containers"][0]["image"].startswith("ghcr.io/gpuinfer/gpuinfer-server:")


def test_toleration(pod):
    ours = [toleration for toleration in pod["spec"]["tolerations"] if toleration.get("key") == "nvidia.com/gpu"]
    assert ours == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


def test_shared_memory_is_a_tmpfs_of_its_size_inside_the_container(cluster, pod, server):
    _, volume = volume_at(pod, server, "/dev/shm")
    assert volume["emptyDir"]["medium"] == "Memory"
    size = bytes_of(volume["emptyDir"]["sizeLimit"])
    assert size <= bytes_of(server["resources"]["limits"]["memory"])
    file_system, options = cluster.mounts(pod, "server")["/dev/shm"]
    assert file_system == "tmpfs"
    assert f"size={size // 1024}k" in options


def test_the_image_is_the_rewritten_one_and_comes_from_the_nodes_store(cluster, pod, server, server_image):
    assert server["image"] == server_image
    assert server_image.startswith(REGISTRY + "/github/")
    status = pod["status"]["containerStatuses"][0]
    assert status["image"] == server_image
    pulls = cluster.events(pod["metadata"]["namespace"], pod["metadata"]["name"], "Pulled")
    assert any("already present" in message for message in pulls)


def test_the_weights_are_mounted_read_only(cluster, pod, server):
    mount, volume = volume_at(pod, server, "/models")
    assert mount["readOnly"] is True
    assert volume["persistentVolumeClaim"]["claimName"] == "gpuinfer-models"
    assert {"name": "GPUINFER_MODEL", "value": f"/models/{MODEL}"} in server["env"]
    _, options = cluster.mounts(pod, "server")["/models"]
    assert "ro" in options


def test_the_server_runs_without_rights(pod, server):
    context = {**pod["spec"].get("securityContext", {}), **server.get("securityContext", {})}
    assert context["runAsNonRoot"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"]["drop"] == ["ALL"]


def test_chat_answers_the_question(cluster, namespace, deployed):
    answer = cluster.gpuinfer("chat", MODEL, "-n", namespace, "--temperature", "0", "--max-tokens", "60", QUESTION).stdout
    assert answer.startswith(ANSWER)


def test_chat_takes_a_pipe(cluster, namespace, deployed):
    answer = cluster.gpuinfer("chat", MODEL, "-n", namespace, "--temperature", "0", "--max-tokens", "60", stdin=QUESTION + "\n").stdout
    assert answer.startswith(ANSWER)


def test_a_greedy_answer_is_the_same_twice(cluster, namespace, deployed):
    ask = ("chat", MODEL, "-n", namespace, "--temperature", "0", "--max-tokens", "40", QUESTION)
    assert cluster.gpuinfer(*ask).stdout == cluster.gpuinfer(*ask).stdout


def test_short_answers_one_after_another_all_come_through_the_proxy(cluster, namespace, deployed):
    """One in thirty was lost while the response began before the proxy had seen the end of the request."""
    for _ in range(40):
        cluster.gpuinfer("chat", MODEL, "-n", namespace, "--temperature", "0", "--max-tokens", "1", "hi")


def test_the_service_speaks_openais_api(cluster, namespace, deployed):
    models = json.loads(cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/services/{MODEL}:http/proxy/v1/models").stdout)
    assert [model["id"] for model in models["data"]] == [MODEL]


def test_metrics_are_prometheus_text(cluster, namespace, deployed):
    text = cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/services/{MODEL}:http/proxy/metrics").stdout
    assert re.search(r"^# TYPE \S+ (counter|gauge|histogram)$", text, re.MULTILINE)


def test_logs_are_the_servers(cluster, namespace, pod):
    ours = cluster.gpuinfer("logs", MODEL, "-n", namespace).stdout
    theirs = cluster.kubectl("logs", pod["metadata"]["name"], "-n", namespace).stdout
    assert ours.splitlines()[0] in theirs


def test_status_says_ready_to_people_and_programs(cluster, namespace, deployed):
    assert MODEL in cluster.gpuinfer("status", "-n", namespace).stdout
    status = json.loads(cluster.gpuinfer("status", MODEL, "-n", namespace, "-o", "json").stdout)
    assert status["name"] == MODEL
    assert status["ready"] == status["replicas"] == 1


def test_deploying_again_changes_nothing(cluster, namespace, pod):
    before = cluster.get("deployment", MODEL, "-n", namespace)["metadata"]["generation"]
    cluster.gpuinfer("deploy", MODEL, "-n", namespace)
    assert cluster.get("deployment", MODEL, "-n", namespace)["metadata"]["generation"] == before
    assert cluster.only_pod(namespace, SELECTOR)["metadata"]["uid"] == pod["metadata"]["uid"]


def test_delete_leaves_nothing_behind(cluster, namespace, deployed):
    assert cluster.leftovers(namespace, SELECTOR), "there is something to delete"
    cluster.gpuinfer("delete", MODEL, "-n", namespace)
    until(lambda: cluster.leftovers(namespace, SELECTOR) == [], "every object is gone")
    gone = cluster.gpuinfer("delete", MODEL, "-n", namespace, check=False)
    assert gone.returncode == 1
    assert MODEL in gone.stderr

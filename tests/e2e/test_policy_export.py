"""The MutatingAdmissionPolicy of `policy export` makes of every golden pod what the webhook makes of it."""

import itertools
import json
import re

import pytest

from cluster import GPUINFER, until
from golden import Refused
from test_golden import NOT_SERVED, REFUSED

# Golden pods with which it deals in another way, and why: `policy export` says the same in its head.
_PLACEMENT = "CEL does not choose nodes"
_STORE = "the store needs a node with NVMe disks, or in its zone"
_SELECTOR = "a document with a selector"
NOT_COVERED = {
    "documents/injects_without_an_annotation": _SELECTOR,
    "documents/selected_by_label": _SELECTOR,
    "documents/selected_by_namespace_and_image": _SELECTOR,
    "placement/annotation_over_document": _PLACEMENT,
    "placement/beside_the_pods_own_affinity": _PLACEMENT,
    "placement/by_annotations": _PLACEMENT,
    "placement/by_the_document": _PLACEMENT,
    "placement/instance_type_named": _PLACEMENT,
    "placement/memory_that_cards_do_not_have": _PLACEMENT,
    "placement/plain_karpenter": _PLACEMENT,
    "placement/pod_of_a_daemon_set": _PLACEMENT,
    "placement/zones_by_id": _PLACEMENT,
    "storage/nvme_of_auto_mode": _STORE,
    "storage/nvme_of_karpenter": _STORE,
    "storage/without_claim": _STORE,
    "storage/zonal_store": _STORE,
}

PROBE = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "probe", "annotations": {GPUINFER + "inject": "true"}},
    "spec": {"containers": [{"name": "c", "image": "registry.example/probe"}]},
}


def comparable(pod):
    """Without what differs from one creation to the next."""
    metadata = {key: value for key, value in pod["metadata"].items() if key not in ("uid", "creationTimestamp", "managedFields")}
    if "generateName" in metadata:
        del metadata["name"]
    return json.loads(re.sub(r"kube-api-access-\w{5}", "kube-api-access", json.dumps({"metadata": metadata, "spec": pod["spec"]})))


@pytest.fixture(scope="module")
def pods(golden):
    excluded = NOT_SERVED | REFUSED.keys()
    return {name: case for name, case in golden.items() if case["before"]["kind"] == "Pod" and name not in excluded}


@pytest.fixture(scope="module")
def by_the_webhook(pods, dry_runs, bare_cluster, tmp_path_factory):
    """name -> the pod as it is stored when the webhook has answered: it sees what the API server has made of the pod so far."""
    folder = tmp_path_factory.mktemp("documents")
    stored = {}
    for number, (documents, names) in enumerate(by_documents(pods)):
        seen = [dry_runs.create(pods[name]["before"]) for name in names]
        file = folder / f"{number}.yaml"
        file.write_text(documents)
        policy = ["--policy", file] if documents else []
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": seen})
        done = bare_cluster.gpuinfer("preview", "-f", "-", "-o", "json", *policy, check=False, stdin=listed)
        assert done.stdout, done.stderr
        answers = json.loads(done.stdout)
        answers = answers["items"] if answers["kind"] == "List" else [answers]
        for name, answer in zip(names, answers, strict=True):
            stored[name] = dry_runs.create(answer)
    return stored


def by_documents(pods):
    """(policy documents, names of the pods that meet them)."""
    key = lambda name: pods[name]["documents"]
    return [(documents, list(names)) for documents, names in itertools.groupby(sorted(pods, key=key), key)]


class Exported:
    """The exported policy in the cluster, of one set of documents after the other."""

    def __init__(self, cluster, dry_runs):
        self._cluster = cluster
        self._dry_runs = dry_runs

    def _is_active(self):
        return GPUINFER + "injected" in self._dry_runs.create(PROBE)["metadata"].get("annotations", {})

    def apply(self, documents):
        self.remove()
        source = ["-f", "-"] if documents else []
        exported = self._cluster.gpuinfer("policy", "export", "--as", "mutatingadmissionpolicy", *source, stdin=documents).stdout
        self._cluster.kubectl("apply", "-f", "-", stdin=exported)
        until(self._is_active, "the exported policy is active")

    def remove(self):
        self._cluster.kubectl("delete", "mutatingadmissionpolicybinding,mutatingadmissionpolicy", "gpuinfer", "--ignore-not-found")
        until(lambda: not self._is_active(), "the exported policy is gone")


@pytest.fixture(scope="module")
def exported(bare_cluster, dry_runs):
    policy = Exported(bare_cluster, dry_runs)
    yield policy
    policy.remove()


def test_it_makes_the_same_pods_as_the_webhook(pods, by_the_webhook, exported, dry_runs):
    different = {}
    for documents, names in by_documents(pods):
        exported.apply(documents)
        for name in names:
            try:
                stored = comparable(dry_runs.create(pods[name]["before"]))
                again = comparable(dry_runs.create(by_the_webhook[name]))
            except Refused as error:
                stored = again = str(error)
            wanted = comparable(by_the_webhook[name])
            if stored != wanted:
                different[name] = {"the policy": stored, "the webhook": wanted}
            else:
                assert again == wanted, f"{name}: the policy changes what the webhook has made"
    assert different.keys() == NOT_COVERED.keys(), json.dumps({name: texts for name, texts in different.items() if name not in NOT_COVERED}, indent=1)


def test_the_gaps_are_said_where_they_are_looked_for(bare_cluster):
    done = bare_cluster.gpuinfer("policy", "export", "--as", "mutatingadmissionpolicy")
    head = [line.removeprefix("# - ") for line in done.stdout.splitlines() if line.startswith("# - ")]
    assert head == [line.removeprefix("# not expressed: ") for line in done.stderr.splitlines()]
    assert any(gap.startswith("placement") for gap in head)

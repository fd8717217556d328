"""The golden cases of tests/policies on a real API server: every request is a dry run, so nothing is created."""

import json
import subprocess
import urllib.error
import urllib.request

from cluster import REPOSITORY, SCRIPTS, run

NAMESPACE = "gpuinfer-golden"
RESOURCES = {
    ("v1", "Pod"): "pods",
    ("apps/v1", "Deployment"): "deployments",
    ("apps/v1", "StatefulSet"): "statefulsets",
    ("apps/v1", "DaemonSet"): "daemonsets",
    ("apps/v1", "ReplicaSet"): "replicasets",
    ("batch/v1", "Job"): "jobs",
    ("batch/v1", "CronJob"): "cronjobs",
    ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet"): "leaderworkersets",
}


def golden_cases(programs):
    """name -> {"before", "documents", "outcome", "patch", "after"}, as our own code sees them."""
    dump = run([programs / "patch_dump"], cwd=REPOSITORY / "tests").stdout
    return {case["name"]: case for case in json.loads(dump)}


def is_served(item):
    return (item["apiVersion"], item["kind"]) in RESOURCES


class Refused(Exception):
    """The API server's own words."""


class DryRuns:
    """Creates objects as if: defaults, admission and validation are the API server's, and nothing is stored."""

    def __init__(self):
        self._proxy = subprocess.Popen([SCRIPTS / "kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True)
        self._server = "http://" + self._proxy.stdout.readline().split()[-1]

    def close(self):
        self._proxy.terminate()
        self._proxy.wait()

    def create(self, item):
        """The object as it would be stored. Raises Refused."""
        version = item["apiVersion"]
        namespace = item["metadata"].get("namespace", NAMESPACE)
        url = f"{self._server}/{'apis' if '/' in version else 'api'}/{version}/namespaces/{namespace}/{RESOURCES[version, item['kind']]}"
        request = urllib.request.Request(f"{url}?dryRun=All&fieldValidation=Ignore", json.dumps(item).encode(), {"Content-Type": "application/json"})
        for is_last in (False, False, True):
            try:
                with urllib.request.urlopen(request) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                # A busy machine may not compute a large pod's expressions in time: that says nothing about the pod.
                if is_last or error.code != 504:
                    raise Refused(json.load(error)["message"]) from None


def _templates(item):
    if isinstance(item, dict):
        if "containers" in item:
            yield item
        item = list(item.values())
    for value in item if isinstance(item, list) else []:
        yield from _templates(value)


def prerequisites(cases):
    """What the cases refer to and the API server looks up on creation: namespaces, service accounts, a runtime class, LeaderWorkerSet."""
    namespaces = {NAMESPACE, "default"}
    accounts = set()
    for case in cases.values():
        namespace = case["before"].get("metadata", {}).get("namespace", NAMESPACE)
        namespaces.add(namespace)
        for spec in _templates(case["before"]):
            accounts.add((namespace, spec.get("serviceAccountName", "default")))
    workers = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return [
        *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in sorted(namespaces)),
        *({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": name}} for namespace, name in sorted(accounts)),
        {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia"},
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": "leaderworkersets.leaderworkerset.x-k8s.io",
                # The group is guarded; this is what its own project writes there for a definition that was not reviewed.
                "annotations": {"api-approved.kubernetes.io": "unapproved, a test"},
            },
            "spec": {
                "group": "leaderworkerset.x-k8s.io",
                "scope": "Namespaced",
                "names": {"kind": "LeaderWorkerSet", "plural": "leaderworkersets", "singular": "leaderworkerset", "listKind": "LeaderWorkerSetList"},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {"leaderWorkerTemplate": workers, "replicas": {"type": "integer"}}}}}},
                    }
                ],
            },
        },
    ]

"""Pods that ask for injection, created at a steady rate while something happens to the webhook, and what became of each."""

import dataclasses
import http.client
import json
import subprocess
import threading
import time

from cluster import GPUINFER, SCRIPTS

THREADS = 4


@dataclasses.dataclass
class Outcome:
    """What the API server did with the pods."""

    injected: int = 0
    unchanged: list = dataclasses.field(default_factory=list)  # names: admitted without injection, which is what must not happen
    refused: list = dataclasses.field(default_factory=list)  # (status, message)


def pod_that_asks(**metadata):
    """A pod that no scheduler looks at, so that nothing but its admission costs anything."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "load-", "annotations": {GPUINFER + "inject": "true"}, **metadata},
        "spec": {
            "schedulingGates": [{"name": "gpuinfer.dev/never"}],
            "containers": [{"name": "server", "image": "ghcr.io/gpuinfer/gpuinfer-server:0", "resources": {"limits": {"nvidia.com/gpu": "1"}}}],
        },
    }


class PodLoad:
    """`with PodLoad(namespace) as load:` creates pods meanwhile; load.outcome holds what came of them. Injected pods are deleted again."""

    def __init__(self, namespace, pods_per_second=12):
        self.outcome = Outcome()
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._pause = THREADS / pods_per_second
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(THREADS)]

    def __enter__(self):
        self._proxy = subprocess.Popen([SCRIPTS / "kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True)
        self._address = self._proxy.stdout.readline().split()[-1]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._proxy.terminate()
        self._proxy.wait()

    def _run(self):
        connection = http.client.HTTPConnection(self._address, timeout=30)
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                self._create(connection)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                with self._lock:
                    self.outcome.refused.append((0, str(error)))
            self._stop.wait(max(0, self._pause - (time.monotonic() - started)))

    def _create(self, connection):
        status, pod = self._ask(connection, "POST", self._path, json.dumps(pod_that_asks()))
        with self._lock:
            if status != 201:
                self.outcome.refused.append((status, pod.get("message", "")))
                return
            name = pod["metadata"]["name"]
            if GPUINFER + "injected" not in pod["metadata"]["annotations"]:
                self.outcome.unchanged.append(name)
                return
            self.outcome.injected += 1
        self._ask(connection, "DELETE", f"{self._path}/{name}?gracePeriodSeconds=0")

    @staticmethod
    def _ask(connection, method, path, body=None):
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        try:
            return response.status, json.loads(text)
        except ValueError:
            return response.status, {"message": text.decode(errors="replace")}

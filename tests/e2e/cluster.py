"""How the tests talk to the cluster of tests/cluster: kubectl, the plugin through kubectl, and the node itself."""

import json
import os
import pathlib
import subprocess
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "tests" / "cluster"
GPUINFER = "gpuinfer.dev/"


def until(probe, what, seconds=60, accept=bool):
    """Calls `probe` until `accept` takes what it returns, and returns that; fails with the last answer after `seconds`."""
    deadline = time.monotonic() + seconds
    while not accept(answer := probe()):
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}; last answer: {answer!r}"
        time.sleep(0.2)
    return answer


def script(name, *arguments, **options):
    """Runs a script of tests/cluster and returns its standard output."""
    return run([SCRIPTS / name, *arguments], **options).stdout


def run(command, check=True, **options):
    """Runs a command; a failure shows what it printed. With `check=False` the caller looks at the exit code."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if check:
        assert done.returncode == 0, f"{' '.join(map(str, command))} exited with {done.returncode}\n{done.stdout}{done.stderr}"
    return done


class Cluster:
    """The running cluster. `programs` is the folder of kubectl-gpuinfer, which kubectl finds on PATH as its users' does."""

    def __init__(self, programs: pathlib.Path, kubeconfig: pathlib.Path):
        self.programs = programs
        self.kubeconfig = kubeconfig
        self._environment = dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}")

    def kubectl(self, *arguments, check=True, stdin=""):
        return run([SCRIPTS / "kubectl", *arguments], check=check, input=stdin, env=self._environment)

    def gpuinfer(self, *arguments, check=True, stdin=""):
        """`kubectl gpuinfer ...`."""
        return self.kubectl("gpuinfer", *arguments, check=check, stdin=stdin)

    def get(self, *arguments):
        """The parsed answer of `kubectl get`, None where there is no such object."""
        output = self.kubectl("get", *arguments, "-o", "json", "--ignore-not-found").stdout
        return json.loads(output) if output else None

    def items(self, *arguments):
        found = self.get(*arguments)  # kubectl prints nothing at all where there are none
        return found["items"] if found else []

    def apply(self, *objects, check=True):
        return self.kubectl("apply", "-f", "-", check=check, stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def only_pod(self, namespace, selector):
        """The one pod that the selector finds and that is not on its way out; None while there is another number of them."""
        pods = [pod for pod in self.items("pods", "-n", namespace, "-l", selector) if "deletionTimestamp" not in pod["metadata"]]
        return pods[0] if len(pods) == 1 else None

    def events(self, namespace, name, reason):
        """The messages of the events of that reason about the object called `name`."""
        selector = f"involvedObject.name={name},reason={reason}"
        return [event["message"] for event in self.items("events", "-n", namespace, "--field-selector", selector)]

    def mounts(self, pod, container):
        """The mounts as the container's own processes see them: path -> (file system, options). Its image has no shell to ask."""
        status = next(status for status in pod["status"]["containerStatuses"] if status["name"] == container)
        container_id = status["containerID"].removeprefix("containerd://")
        tasks = [line.split() for line in script("run", "ctr", "-n", "k8s.io", "tasks", "ls").splitlines()]
        process = next(task[1] for task in tasks if task[0] == container_id)
        table = [line.split() for line in script("run", "cat", f"/proc/{process}/mounts").splitlines()]
        return {path: (file_system, options.split(",")) for _, path, file_system, options, *_ in table}

    def image_names(self):
        """Every name in the node's image store."""
        return script("run", "ctr", "-n", "k8s.io", "images", "ls", "-q").split()

    def leftovers(self, namespace, selector):
        """Kind/name of every object of any kind that the selector finds in the namespace."""
        kinds = self.kubectl("api-resources", "--verbs=list", "--namespaced", "-o", "name").stdout.split()
        kinds = [kind for kind in kinds if not kind.startswith("events")]
        return self.kubectl("get", ",".join(kinds), "-n", namespace, "-l", selector, "-o", "name", "--ignore-not-found").stdout.split()


def condition(item, kind):
    """The status of a condition: "True", "False", "Unknown", or None."""
    conditions = item.get("status", {}).get("conditions", [])
    return next((entry["status"] for entry in conditions if entry["type"] == kind), None)

"""gpuinfer-webhook under clients in numbers: ten thousand idle ones, and changes of its certificate and its end under load."""

import concurrent.futures
import contextlib
import http.client
import itertools
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

WEBHOOK = pathlib.Path(os.environ["GPUINFER_BIN"]) / "gpuinfer-webhook"
MAX_CONNECTIONS = 2048
MAX_ENDING = 64  # evicted, and still in the count for a moment
IDLE_CONNECTIONS = 10_000
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
})


def make_certificate(folder, name):
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    return certificate, key


class Server:
    def __init__(self, folder, *flags):
        self.folder = folder
        self.use_certificate("first")
        command = [WEBHOOK, "--tls-cert", folder / "tls.crt", "--tls-key", folder / "tls.key", "--port", "0", "--metrics-port", "0", *flags]
        self.log = (folder / "log").open("w+")
        self.process = subprocess.Popen(command, stderr=self.log, text=True)
        while not (line := (folder / "log").read_text().partition("\n"))[1]:
            assert self.process.poll() is None
        serving = json.loads(line[0])
        self.port, self.metrics_port = serving["port"], serving["metrics_port"]

    def use_certificate(self, name):
        certificate, key = make_certificate(self.folder, name)
        with (self.folder / "trusted").open("a") as trusted:
            trusted.write(certificate.read_text())
        for source, target in ((certificate, "tls.crt"), (key, "tls.key")):
            shutil.copy(source, self.folder / "next")
            os.replace(self.folder / "next", self.folder / target)

    def connect(self):
        context = ssl.create_default_context(cafile=self.folder / "trusted")
        return http.client.HTTPSConnection("localhost", self.port, context=context, timeout=60)

    def metric(self, name):
        with urllib.request.urlopen(f"http://localhost:{self.metrics_port}/metrics", timeout=60) as answer:
            return sum(float(value) for value in re.findall(rf"^{re.escape(name)} (\S+)$", answer.read().decode(), re.MULTILINE))

    def memory_mib(self, kind):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{kind}:\s+(\d+)", status)[1]) / 1024


@pytest.fixture(name="server")
def start_server(tmp_path):
    server = Server(tmp_path, "--drain-seconds", "2")
    yield server
    server.process.kill()
    server.process.wait()


def review(connection):
    """The status of the answer, and whether it asks to close the connection."""
    connection.request("POST", "/mutate", REVIEW, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("Connection") == "close"


@pytest.fixture(name="many_files")
def allow_many_files():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], IDLE_CONNECTIONS + 1000), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_ten_thousand_idle_connections_disturb_nobody(many_files, tmp_path):
    server = Server(tmp_path)
    try:
        busy = server.connect()
        review(busy)
        with contextlib.ExitStack() as idle:
            for number in range(IDLE_CONNECTIONS):
                connection = idle.enter_context(socket.create_connection(("localhost", server.port), timeout=60))
                if number % 2 == 0:  # the others never say a word
                    context = ssl.create_default_context(cafile=tmp_path / "trusted")
                    with contextlib.suppress(OSError):  # made room for another one
                        idle.enter_context(context.wrap_socket(connection, server_hostname="localhost"))
                if number % 100 == 0:
                    assert review(busy) == (200, False)
            assert server.metric("gpuinfer_webhook_connections") <= MAX_CONNECTIONS + MAX_ENDING
            assert server.metric('gpuinfer_webhook_ended_connections_total{how="evicted"}') >= IDLE_CONNECTIONS / 2 - MAX_CONNECTIONS
            assert server.memory_mib("VmHWM") < 100
            assert review(server.connect()) == (200, False)
    finally:
        server.process.kill()
        server.process.wait()


class Load:
    """Threads that send reviews, each on a connection for a while and then on a new one."""

    def __init__(self, server, threads=4):
        self.server = server
        self.stopping = threading.Event()
        self.answered = itertools.count()
        self.last_answered = 0
        self.asked_to_close = threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(threads)
        self.results = [self.pool.submit(self.run) for _ in range(threads)]

    def run(self):
        """The number of answers; raises what a caller would see."""
        count = 0
        while not self.stopping.is_set():
            connection = self.server.connect()
            for _ in range(10):
                status, must_close = review(connection)
                assert status == 200
                count += 1
                self.last_answered = next(self.answered)
                if must_close:
                    self.asked_to_close.set()
                    break
            connection.close()
        return count

    def wait_for(self, answers):
        goal = self.last_answered + answers
        while self.last_answered < goal:
            assert not any(result.done() for result in self.results), self.stop()
            time.sleep(0.01)

    def stop(self):
        self.stopping.set()
        return sum(result.result(timeout=120) for result in self.results)


def test_no_review_is_lost_while_certificates_change(server):
    load = Load(server)
    for reloads, name in enumerate(("second", "third", "fourth"), start=1):
        server.use_certificate(name)
        while server.metric('gpuinfer_webhook_certificate_reloads_total{result="success"}') < reloads:
            load.wait_for(10)
        load.wait_for(50)
    assert load.stop() > 150


def test_no_review_is_lost_at_the_end(server):
    load = Load(server)
    load.wait_for(50)
    server.process.send_signal(signal.SIGTERM)
    assert load.asked_to_close.wait(60)
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(f"http://localhost:{server.metrics_port}/readyz", timeout=60)
    assert load.stop() > 50
    assert server.process.wait(timeout=60) == 0

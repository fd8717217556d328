"""The webhook's certificates on a real cluster: rotation under load, lost pods, a restarted API server, repairs. No review gets lost."""

import base64
import json
import os
import threading
import time

import pytest

from cluster import run, script, until
from installation import SYSTEM, WEBHOOK, install, is_injecting, roll_out, webhook_pods
from load import PodLoad

SECRET = "gpuinfer-webhook-tls"
CHAOS_SECONDS = int(os.environ.get("GPUINFER_CHAOS_SECONDS", "60"))
# A new certificate every 10 s, a new authority every 30 s.
FAST = ["--certificate-lifetime=15s", "--authority-lifetime=45s", "--rotation-overlap=3s"]


def secret_entry(cluster, key):
    return base64.b64decode(cluster.get("secret", SECRET, "-n", SYSTEM)["data"].get(key, "")).decode()


def ca_bundles(cluster):
    configuration = cluster.get("mutatingwebhookconfiguration", WEBHOOK)
    return {base64.b64decode(webhook["clientConfig"].get("caBundle", "")).decode() for webhook in configuration["webhooks"]}


class SeenCertificates:
    """Counts the certificates and authorities that the Secret holds over time."""

    def __init__(self, cluster):
        self.certificates, self.authorities = set(), set()
        self._cluster = cluster
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        while not self._stop.wait(2):
            answer = self._cluster.kubectl("get", "secret", SECRET, "-n", SYSTEM, "-o", "json", check=False)
            if answer.returncode == 0:
                data = json.loads(answer.stdout)["data"]
                self.certificates.add(data["tls.crt"])
                self.authorities.add(data["ca.crt"])


@pytest.fixture(scope="module")
def rotating(cluster, namespace):
    """The webhook, whose certificates last for seconds only; as it was before afterwards."""
    added = [{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": flag} for flag in FAST]
    cluster.kubectl("patch", "deployment", WEBHOOK, "-n", SYSTEM, "--type=json", "-p", json.dumps(added))
    roll_out(cluster)
    # What was made to last for years gives way to what does not.
    cluster.kubectl("patch", "secret", SECRET, "-n", SYSTEM, "--type=merge", "-p", json.dumps({"data": {"ca.key": None, "ca.crt": None, "tls.crt": "", "tls.key": ""}}))
    until(lambda: secret_entry(cluster, "tls.crt") and is_injecting(cluster, namespace), "the emptied Secret was filled again")
    yield cluster
    install(cluster)


def test_the_pods_may_touch_two_objects_only(cluster):
    account = f"--as=system:serviceaccount:{SYSTEM}:{WEBHOOK}"
    listed = cluster.kubectl("auth", "can-i", "--list", account, "-n", SYSTEM).stdout
    granted = [line for line in listed.splitlines() if "secrets" in line or "mutatingwebhook" in line]
    assert sorted(line.split()[0] for line in granted) == ["mutatingwebhookconfigurations.admissionregistration.k8s.io", "secrets"]
    assert all(WEBHOOK in line and "[get list watch update]" in line for line in granted)
    for verb, kind in (("create", "secrets"), ("get", "pods"), ("list", "secrets"), ("delete", f"secrets/{SECRET}")):
        assert cluster.kubectl("auth", "can-i", verb, kind, account, "-n", SYSTEM, check=False).stdout.strip() == "no"


def test_a_damaged_ca_bundle_is_repaired_at_once(cluster, namespace, tmp_path):
    authority = secret_entry(cluster, "ca.crt").strip()
    make_certificate(tmp_path, "stranger")
    stranger = base64.b64encode((tmp_path / "tls.crt").read_bytes()).decode()
    change = [{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": stranger}]
    cluster.kubectl("patch", "mutatingwebhookconfiguration", WEBHOOK, "--type=json", "-p", json.dumps(change))
    until(lambda: all(authority in bundle for bundle in ca_bundles(cluster)), "the webhook put its authority back")
    until(lambda: is_injecting(cluster, namespace), "reviews get through again")


def test_an_api_server_restart_loses_no_review(cluster, namespace):
    """Here with certificates that last: those of the other tests expire while no API server is there to renew them with."""
    with PodLoad(namespace) as load:
        time.sleep(3)
        script("restart-api-server")
        until(lambda: is_injecting(cluster, namespace), "injection goes on")
        injected = load.outcome.injected
        until(lambda: load.outcome.injected > injected + 20, "pods are created again")
    assert load.outcome.unchanged == []
    # While it was away it answered nothing, or said so.
    assert all(status in (0, 401, 403, 429, 500, 502, 503) for status, _ in load.outcome.refused), load.outcome.refused[:3]


def test_chaos_loses_no_review(rotating, namespace):
    """New certificates every few seconds, and one replica after the other deleted, while pods are created all the time."""
    killed = 0
    with SeenCertificates(rotating) as seen, PodLoad(namespace) as load:
        end = time.monotonic() + CHAOS_SECONDS
        while time.monotonic() < end:
            pods = until(lambda: (found := webhook_pods(rotating)) and len(found) == 2 and found, "two replicas", seconds=120)
            rotating.kubectl("delete", "pod", pods[killed % 2], "-n", SYSTEM, "--wait=false")
            killed += 1
            time.sleep(5)
    print(f"{CHAOS_SECONDS} s: {load.outcome.injected} pods, {killed} replicas deleted, {len(seen.certificates)} certificates, {len(seen.authorities)} authorities")
    assert load.outcome.unchanged == []
    assert load.outcome.refused == []
    assert load.outcome.injected > CHAOS_SECONDS
    assert killed >= 2
    assert len(seen.certificates) >= CHAOS_SECONDS / 20
    assert len(seen.authorities) >= 2


def test_a_pod_killed_without_grace_costs_only_what_was_on_its_way(rotating, namespace):
    """Nobody can answer for a replica that is gone at once; the other one takes over as soon as the cluster has noticed."""
    with PodLoad(namespace) as load:
        time.sleep(2)
        rotating.kubectl("delete", "pod", webhook_pods(rotating)[0], "-n", SYSTEM, "--grace-period=0", "--force")
        time.sleep(10)
        lost = len(load.outcome.unchanged)
        time.sleep(5)
    print(f"killed without grace: {lost} of {lost + load.outcome.injected} reviews lost")
    assert load.outcome.refused == []
    assert len(load.outcome.unchanged) == lost, "after ten seconds, none is lost any more"
    for name in load.outcome.unchanged:
        rotating.kubectl("delete", "pod", name, "-n", namespace)


def make_certificate(folder, name):
    """A self-signed certificate for `name`: its own authority."""
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=own",
         "-addext", f"subjectAltName=DNS:{name}", "-keyout", folder / "tls.key", "-out", folder / "tls.crt"])


def test_own_certificates_need_no_token(cluster, namespace, tmp_path):
    """`install --certificates secret=NAME` and back, on a running installation."""
    make_certificate(tmp_path, f"{WEBHOOK}.{SYSTEM}.svc")
    refused = cluster.gpuinfer("install", "--certificates", "secret=own", check=False)
    assert refused.returncode == 1 and f"there is no Secret {SYSTEM}/own" in refused.stderr
    cluster.kubectl("create", "secret", "generic", "own", "-n", SYSTEM, *(f"--from-file={key}={tmp_path / file}" for key, file in (("tls.crt", "tls.crt"), ("tls.key", "tls.key"), ("ca.crt", "tls.crt"))))
    try:
        install(cluster, "--certificates", "secret=own")
        assert is_injecting(cluster, namespace)
        assert ca_bundles(cluster) == {(tmp_path / "tls.crt").read_text()}
        pod = cluster.get("pod", webhook_pods(cluster)[0], "-n", SYSTEM)
        assert not any(volume["name"].startswith("kube-api-access") for volume in pod["spec"]["volumes"])
    finally:
        install(cluster)
    until(lambda: is_injecting(cluster, namespace), "the webhook looks after its certificates again")
    cluster.kubectl("delete", "secret", "own", "-n", SYSTEM)

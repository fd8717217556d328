"""Starts gpuinfer-server on the real model for a test, and ends it."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.error
import urllib.request

import openai

MODEL = "smollm2-135m"


def model_folder():
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "gpuinfer" / "models"
    folder = pathlib.Path(os.environ.get("GPUINFER_MODELS") or cache) / MODEL
    assert folder.exists(), f"{folder} is missing: run kubectl-gpuinfer models pull {MODEL}"
    return folder


class ModelServer:
    def __init__(self, log_path, *flags):
        self.log_path = log_path
        with open(log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [os.path.join(os.environ["GPUINFER_BIN"], "gpuinfer-server"), "--model", str(model_folder()),
                 "--host", "127.0.0.1", "--port", "0", *flags], stderr=log)
        port = self.wait_for_log("listening")["port"]
        self.url = f"http://127.0.0.1:{port}"
        self.client = openai.OpenAI(base_url=f"{self.url}/v1", api_key="unused", max_retries=0, timeout=600)
        self.wait_for_log("ready")

    def log(self):
        """The complete lines of the log, parsed."""
        text = self.log_path.read_text(encoding="utf-8")
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines() if line.startswith("{")]

    def wait_for_log(self, message):
        while True:
            for entry in self.log():
                if entry["message"] == message:
                    return entry
            assert self.process.poll() is None, self.log_path.read_text(encoding="utf-8")
            time.sleep(0.02)

    def get(self, path):
        """(status, body)"""
        try:
            with urllib.request.urlopen(self.url + path, timeout=600) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name, label=""):
        """The value of the first sample of that name with that label."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(name + "{") and label in line:
                return float(line.rsplit(" ", 1)[1])
        raise KeyError(name)

    def wait_for_metric(self, name, value, label=""):
        while self.metric(name, label) != value:
            time.sleep(0.02)

    def chat(self, content, **parameters):
        return self.client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}], **parameters)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def running(folder, *flags):
    server = ModelServer(folder / "server.log", *flags)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()

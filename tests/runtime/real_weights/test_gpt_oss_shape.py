"""A model of gpt-oss's shape (24 layers, 32 experts in MXFP4, about 2 GB of random weights) loads and serves: with token ids alone, from both formats."""

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

import pytest

HERE = pathlib.Path(__file__).resolve().parent
GENERATOR = HERE.parents[2] / "bench" / "random_gpt_oss"
PROMPT = [200006, 1428, 200008, 13225, 200007, 200006, 173781]


class Server:
    def __init__(self, model, log_path):
        program = os.path.join(os.environ["GPUINFER_BIN"], "gpuinfer-server")
        with open(log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([program, "--model", str(model), "--host", "127.0.0.1", "--port", "0", "--max-model-len", "512",
                                             "--skip-tokenizer-init"], stderr=log)
        self.log_path = log_path
        self.port = self.wait_for("listening")["port"]
        self.wait_for("ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def wait_for(self, message):
        while True:
            for line in self.log_path.read_text(encoding="utf-8").splitlines(keepends=True):
                if line.startswith("{") and line.endswith("\n") and json.loads(line)["message"] == message:
                    return json.loads(line)
            assert self.process.poll() is None, self.log_path.read_text(encoding="utf-8")
            time.sleep(0.05)

    def complete(self, ids, tokens):
        body = {"prompt": ids, "max_tokens": tokens, "temperature": 0, "return_token_ids": True, "ignore_eos": True}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as response:
            return json.load(response)["choices"][0]["token_ids"]


@pytest.mark.parametrize("file_format", ["safetensors", "gguf"])
def test_loads_and_serves(file_format, tmp_path):
    folder = tmp_path / "model"
    subprocess.run([sys.executable, str(GENERATOR), str(folder), "--format", file_format], check=True)
    try:
        with Server(folder, tmp_path / "log") as server:
            answer = server.complete(PROMPT, 16)
            assert len(answer) == 16
            # The same again, and as the continuation of its own beginning.
            assert server.complete(PROMPT, 16) == answer
            assert server.complete(PROMPT + answer[:5], 11) == answer[5:]
    finally:
        for path in folder.iterdir():
            path.unlink()

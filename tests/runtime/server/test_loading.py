"""What the program tells while and after it loads a model."""

import json
import os
import pathlib
import signal
import subprocess
import urllib.request

MODEL = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "llama"


def test_the_log_and_the_metrics_say_what_was_loaded():
    program = pathlib.Path(os.environ["GPUINFER_BIN"]) / "gpuinfer-server"
    flags = ["--model", MODEL, "--skip-tokenizer-init", "--host", "127.0.0.1", "--port", "0", "--backend", "cpu"]
    with subprocess.Popen([program, *flags], stderr=subprocess.PIPE, text=True) as server:
        entries = {}
        for line in server.stderr:
            entry = json.loads(line)
            entries[entry["message"]] = entry
            if entry["message"] == "ready":
                break
        with urllib.request.urlopen(f"http://127.0.0.1:{entries['listening']['port']}/metrics", timeout=600) as response:
            metrics = dict(line.rsplit(" ", 1) for line in response.read().decode().splitlines() if not line.startswith("#"))
        server.send_signal(signal.SIGTERM)
        assert server.wait() == 0

    loaded = entries["loaded"]
    assert loaded["loaded_bytes"] > 10_000
    assert loaded["gb_per_second"] > 0
    assert loaded["seconds"] == entries["ready"]["load_seconds"]
    labels = '{engine="0",model_name="llama"}'
    assert float(metrics["gpuinfer_model_load_bytes" + labels]) == loaded["loaded_bytes"]
    assert float(metrics["gpuinfer_model_load_total_bytes" + labels]) == loaded["loaded_bytes"]

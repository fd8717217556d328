"""Runs gpuinfer-text-tool on many inputs at once."""

import json
import os
import pathlib
import subprocess


def run(*arguments, inputs):
    """The tool's answers, in the order of `inputs`."""
    folder = os.environ.get("GPUINFER_BIN")
    assert folder, "GPUINFER_BIN must name the folder of the built programs (build/<preset>/bin)"
    lines = "".join(json.dumps(value) + "\n" for value in inputs)
    result = subprocess.run([pathlib.Path(folder) / "gpuinfer-text-tool", *arguments], input=lines, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    answers = [json.loads(line) for line in result.stdout.removesuffix("\n").split("\n")]
    assert len(answers) == len(inputs)
    return answers


def smollm2_gguf():
    """SmolLM2-135M-Instruct, where `kubectl gpuinfer models pull smollm2-135m` puts it."""
    default = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "gpuinfer" / "models"
    folder = pathlib.Path(os.environ.get("GPUINFER_MODELS") or default) / "smollm2-135m"
    files = sorted(folder.glob("*.gguf"))
    assert files, f"no .gguf file in {folder}: run 'kubectl gpuinfer models pull smollm2-135m', or set GPUINFER_MODELS"
    return files[0]

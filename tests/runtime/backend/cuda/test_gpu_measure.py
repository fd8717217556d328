"""bench/gpu/measure on a tiny model: without a GPU, on the CPU, and with a peer that is played; its counts are those of gpu_model."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[4]
BIN = pathlib.Path(os.environ["GPUINFER_BIN"])
MODEL = REPOSITORY / "tests/runtime/fixtures/llama"

sys.path.append(str(REPOSITORY / "bench/gpu"))
from shape import Shape  # noqa: E402


def measure(*arguments, **environment):
    return subprocess.run([sys.executable, REPOSITORY / "bench/gpu/measure", MODEL, "--bin", BIN, *arguments], env=dict(os.environ, **environment),
                          capture_output=True, text=True, check=False)


def python_that(folder, script):
    """In the place of a Python with PyTorch."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def on_the_cpu(*arguments):
    return measure("--backend", "cpu", "--batches", "1,3", "--tokens", "800", "--prompts", "64,5000", "--runs", "1", *arguments, "--",
                   "--skip-tokenizer-init", "--threads", "2")


def test_without_a_gpu_there_is_one_line_that_says_so():
    result = measure(LD_LIBRARY_PATH=str(BIN / "fake_driver"), GPUINFER_FAKE_DRIVER="init=100")
    assert result.returncode == 3
    assert result.stdout == "" and result.stderr == "no GPU: the NVIDIA driver shows no GPU\n"


def test_every_figure_is_printed_beside_the_peers_and_written_down(tmp_path):
    peer = python_that(tmp_path, """echo '{"start": 2.0, "decode 1": 10.0, "decode 3": 20.0, "prompt 64": 0.5, "versions": "torch 0"}'""")
    result = on_the_cpu("--python", peer, "--json", tmp_path / "figures.json")
    assert result.returncode == 0, result.stderr
    assert "theirs: torch 0\n" in result.stdout
    rows = {}
    for line in result.stdout.partition("ratio\n")[2].splitlines():
        rows[line[:34].strip()] = [None if word == "-" else float(word) for word in line[34:].split()[:3]]
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert list(rows) == ["decode, batch 1, tokens/s", "decode, batch 3, tokens/s", "prompt of 64, tokens/s", "load, GB/s", "start to ready, s"]
    ours, theirs, ratio = rows["decode, batch 3, tokens/s"]
    assert theirs == 20 and ratio == pytest.approx(ours / theirs, rel=0.01) and ours == pytest.approx(figures["figures"]["decode 3"][0], rel=0.01)
    assert rows["prompt of 64, tokens/s"][1] == 128 and rows["load, GB/s"][1:] == [None, None]
    assert figures["backend"].startswith("cpu")


def test_a_python_without_pytorch_is_told(tmp_path):
    result = on_the_cpu("--python", python_that(tmp_path, "echo this python has no torch; exit 3"))
    assert result.returncode == 0, result.stderr
    assert "theirs: no PyTorch: this python has no torch\n" in result.stdout


def test_a_server_that_does_not_start_ends_the_script_with_its_reason():
    result = measure("--backend", "cpu", "--", "--port", "none")
    assert result.returncode == 1 and "gpuinfer-server ended with 2" in result.stderr and "--port" in result.stderr


def test_bytes_and_operations_are_those_of_the_kernels():
    """As far as weights, keys and values go; activations are some hundredths more."""
    gpt_oss = Shape(vocab_size=201088, hidden=2880, intermediate=2880, heads=64, kv_heads=8, head_dim=64, longest=131072, windows=[128, None] * 12,
                    experts=32, picks=4, expert_bytes=17 / 32)
    section = (REPOSITORY / "bench/gpu/model.md").read_text(encoding="utf-8").partition("## gpt-oss-20b\n")[2].partition("\n## ")[0]
    rows = {step: (float(gigabytes), float(gigaflops))
            for step, gigabytes, gigaflops in re.findall(r"^\| ((?:decode|prompt)[^|]*) \| ([\d.]+) \| (\d+) \|", section, re.MULTILINE)}
    for batch in (1, 8, 32):
        assert 0.9 < gpt_oss.decode_bytes(batch, 1024) / 1e9 / rows[f"decode, batch {batch}"][0] <= 1
    for count in (1024, 8192):
        assert 0.97 < gpt_oss.prompt_operations(count) / 1e9 / rows[f"prompt of {count}"][1] < 1.03


def test_the_shapes_of_a_folder():
    mixture = Shape.of(REPOSITORY / "tests/runtime/fixtures/gpt-oss-mxfp4")
    assert mixture.windows == [16, None, 16, None] and mixture.experts == 8 and mixture.picks == 4 and mixture.expert_bytes == 17 / 32
    assert Shape.of(MODEL) == Shape(vocab_size=320, hidden=96, intermediate=160, heads=4, kv_heads=2, head_dim=32, longest=1024, windows=[None] * 3)

"""gpuinfer-server --selftest as one starts it: on the CPU, without a GPU, and on a GPU that computes nothing."""

import os
import pathlib
import re
import subprocess

BIN = pathlib.Path(os.environ["GPUINFER_BIN"])


def selftest(*flags, program="gpuinfer-server", **environment):
    return subprocess.run([BIN / program, "--selftest", *flags], env=dict(os.environ, **environment), capture_output=True, text=True, check=False)


def test_passes_on_the_cpu():
    result = selftest("--backend", "cpu")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "backend: cpu" in result.stdout and "FAILED" not in result.stdout
    passed, checks = re.search(r"(\d+) of (\d+) checks passed in \d+ s\n$", result.stdout).groups()
    assert passed == checks and int(checks) == len(re.findall(" ok  ", result.stdout)) > 60


def test_without_a_gpu_the_reason_and_what_to_do_come_at_once():
    result = selftest("--backend", "cuda", LD_LIBRARY_PATH=str(BIN / "fake_driver"), GPUINFER_FAKE_DRIVER="version=12040")
    assert result.returncode == 3
    assert "no GPU: the NVIDIA driver supports CUDA 12.4, this program needs 13.0 or newer\n  install a newer driver" in result.stdout
    result = selftest("--backend", "cuda", LD_LIBRARY_PATH=str(BIN / "fake_driver"), GPUINFER_FAKE_DRIVER="init=100")
    assert result.returncode == 3
    assert "no GPU: the NVIDIA driver shows no GPU\n  Run this where nvidia-smi lists a GPU." in result.stdout


def test_a_gpu_whose_kernels_do_nothing_is_described_and_fails():
    result = selftest("--backend", "auto", program="fake_gpu_server", GPUINFER_FAKE_GPU=f"memory={1 << 30}")
    assert result.returncode == 1
    head, _, table = result.stdout.partition("MODEL")
    assert "fake GPU, compute capability 8.9, 2 multiprocessors\n" in head and "1.0 of 1.0 GiB of memory free\n" in head
    assert "CUDA 13.0, driver for CUDA 13.0\n" in head and re.search(r"read and write \d+ GB/s\n", head) and "backend: cuda\n" in head
    for line in table.splitlines():
        assert "logits" not in line or "FAILED" in line


def test_flags_that_are_wrong_are_refused():
    result = selftest("--backend", "tpu")
    assert result.returncode == 2 and "error: " in result.stderr

"""gpuinfer-server on GPUs and drivers that fail.

The driver is bin/fake_driver/libcuda.so.1, found by the real gpuinfer-server with CUDA's own runtime in it. That runtime starts no GPU on a driver
that is not NVIDIA's, so what fails later is shown by fake_gpu_server: the same program, linked with fakes/runtime.cpp in the runtime's place.
"""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import time
import urllib.error
import urllib.request

import pytest

BIN = pathlib.Path(os.environ["GPUINFER_BIN"])
MODEL = pathlib.Path(__file__).parents[2] / "fixtures" / "llama"


def command(program, *flags):
    return [BIN / program, "--model", MODEL, "--skip-tokenizer-init", "--host", "127.0.0.1", "--port", "0", *flags]


def fake_driver(settings):
    return dict(os.environ, LD_LIBRARY_PATH=str(BIN / "fake_driver"), GPUINFER_FAKE_DRIVER=settings)


def fake_gpu(settings):
    return dict(os.environ, GPUINFER_FAKE_GPU=settings)


class Server:
    def __init__(self, log_path, environment, program, flags):
        self.log_path = log_path
        with open(log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command(program, *flags), stderr=log, env=environment)
        self.url = f"http://127.0.0.1:{self.wait_for_log('listening')['port']}"
        self.wait_for_log("ready")

    def wait_for_log(self, message):
        """The parsed line."""
        while True:
            text = self.log_path.read_text(encoding="utf-8")
            for line in text[:text.rfind("\n") + 1].splitlines():
                if line.startswith("{") and json.loads(line)["message"] == message:
                    return json.loads(line)
            assert self.process.poll() is None, text
            time.sleep(0.02)

    def request(self, path, body=None):
        """(status, parsed body)"""
        request = urllib.request.Request(self.url + path, json.dumps(body).encode() if body else None)
        try:
            with urllib.request.urlopen(request, timeout=600) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def complete(self):
        return self.request("/v1/completions", {"model": "llama", "prompt": [1, 2, 3], "max_tokens": 4, "temperature": 0})


@contextlib.contextmanager
def running(folder, environment, program="gpuinfer-server", flags=()):
    server = Server(folder / "server.log", environment, program, flags)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


DRIVERS = [
    ("version=12040", "the NVIDIA driver supports CUDA 12.4, this program needs 13.0 or newer"),
    ("init=100", "the NVIDIA driver shows no GPU"),
    ("init=802", "the NVIDIA driver fails: system not yet initialized"),
    ("init=803", "the NVIDIA driver fails: system has unsupported display driver / cuda driver combination"),
    ("init=999", "the NVIDIA driver fails: unknown error"),
]


@pytest.mark.parametrize("settings, words", DRIVERS)
def test_a_driver_that_fails_ends_the_program_where_cuda_was_asked_for(settings, words):
    result = subprocess.run(command("gpuinfer-server", "--backend", "cuda"), env=fake_driver(settings), capture_output=True, text=True, check=False)
    assert result.returncode == 1 and f"error: {words}" in result.stderr


@pytest.mark.parametrize("settings, words", DRIVERS)
def test_with_a_driver_that_fails_auto_is_the_cpu_and_the_log_says_why(tmp_path, settings, words):
    with running(tmp_path, fake_driver(settings)) as server:
        chosen = server.wait_for_log("backend chosen")
        assert chosen["backend"].startswith("cpu") and chosen["reason"] == words
        assert server.complete()[0] == 200


def test_a_library_that_is_no_driver_is_none(tmp_path):
    (tmp_path / "libcuda.so.1").write_text("not a library")
    environment = dict(os.environ, LD_LIBRARY_PATH=str(tmp_path))
    result = subprocess.run(command("gpuinfer-server", "--backend", "cuda"), env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "error: there is no NVIDIA driver (libcuda.so.1)" in result.stderr


def test_a_gpu_that_works_is_what_auto_takes(tmp_path):
    with running(tmp_path, fake_gpu(""), "fake_gpu_server") as server:
        assert server.wait_for_log("ready")["backend"] == "cuda (fake GPU)"
        assert server.complete()[0] == 200


def test_on_a_gpu_that_is_too_old_auto_is_the_cpu(tmp_path):
    with running(tmp_path, fake_gpu("capability=75"), "fake_gpu_server") as server:
        assert server.wait_for_log("backend chosen")["reason"] == "fake GPU has compute capability 7.5, this program needs 8.0 or newer"
        assert server.complete()[0] == 200


@pytest.mark.parametrize("settings, words", [
    ("capability=75", "compute capability 7.5"),
    ("memory=100000", "of the GPU's memory, and the fake GPU has 0.00 GiB free"),
    ("largest_allocation=1000", "bytes of memory left"),
    ("largest_pinned=1000", "pin memory of the host"),
])
def test_a_gpu_that_cannot_hold_the_model_ends_the_program(settings, words):
    result = subprocess.run(command("fake_gpu_server", "--backend", "cuda"), env=fake_gpu(settings), capture_output=True, text=True, check=False)
    assert result.returncode == 1 and words in result.stderr


def test_a_launch_that_is_refused_fails_the_request_and_health(tmp_path):
    with running(tmp_path, fake_gpu("launch_error=209"), "fake_gpu_server") as server:
        assert server.request("/health")[0] == 200
        assert server.complete()[0] == 500
        server.wait_for_log("the model cannot be computed")
        status, body = server.request("/health")
        assert status == 503 and "refuses the kernel" in body["error"] and "no kernel image" in body["error"]


def test_a_gpu_that_makes_no_graphs_serves_without(tmp_path):
    with running(tmp_path, fake_gpu("record_error=901"), "fake_gpu_server") as server:
        assert server.complete()[0] == 200
        assert "fails to record launches" in server.wait_for_log("steps are launched kernel by kernel")["reason"]
        assert server.complete()[0] == 200


@pytest.mark.parametrize("settings", ["capability=90", "capability=110 ptx=80"])
def test_kernels_overlap_only_where_their_code_waits(tmp_path, settings):
    """On a GPU newer than all our machine code the driver compiles the PTX of compute_80, in which no kernel waits for the one before it."""
    with running(tmp_path, fake_gpu(settings), "fake_gpu_server") as server:
        assert server.complete()[0] == 200


def test_a_gpu_with_little_memory_names_the_context_that_fits(tmp_path):
    """More memory until something fits; then the flag that the message says is enough, and one page more is not."""
    def refusal(memory, *flags):
        result = subprocess.run(command("fake_gpu_server", "--backend", "cuda", *flags), env=fake_gpu(f"memory={memory}"), capture_output=True,
                                text=True, check=False)
        assert result.returncode == 1, result.stderr
        return result.stderr

    memory = 1 << 20
    while "or a larger GPU" not in (message := refusal(memory)):
        memory += 1 << 17
    longest = int(re.search(r"Use --max-model-len (\d+), or a larger GPU", message).group(1))
    assert f"Use --max-model-len {longest}," in refusal(memory, "--max-model-len", str(longest + 1))
    assert f"Use --kv-cache-tokens {longest}," in refusal(memory, "--kv-cache-tokens", str(longest + 1))
    with running(tmp_path, fake_gpu(f"memory={memory}"), "fake_gpu_server", ["--max-model-len", str(longest)]) as server:
        assert server.wait_for_log("ready")["kv_cache_tokens"] == longest


def two_gpus(settings="", nccl="", library=BIN / "fake_nccl"):
    return dict(os.environ, GPUINFER_FAKE_GPU=f"devices=2 {settings}", GPUINFER_FAKE_NCCL=nccl, LD_LIBRARY_PATH=str(library))


def test_two_gpus_serve(tmp_path):
    with running(tmp_path, two_gpus(), "fake_gpu_server", ["--tensor-parallel-size", "2"]) as server:
        assert server.wait_for_log("ready")["backend"] == "cuda (2 × fake GPU)"
        assert server.complete()[0] == 200


@pytest.mark.parametrize("environment, size, words", [
    (two_gpus(), 4, "4 GPUs cannot share the model's 2 key/value heads evenly"),
    (fake_gpu("devices=1"), 2, "--tensor-parallel-size 2 needs as many GPUs, and this process sees 1"),
    (two_gpus(library=BIN), 2, "more than one GPU needs NVIDIA's NCCL: libnccl.so.2"),
    (two_gpus(library=BIN / "fake_driver"), 2, "Put libnccl.so.2 for CUDA 13"),
    (two_gpus(nccl="init=2"), 2, "NCCL fails to bring the GPUs together: unhandled system error"),
    (two_gpus("memory=100000"), 2, "of the memory of each of 2 GPUs, and the fake GPU has 0.00 GiB free"),
])
def test_gpus_that_cannot_work_together_end_the_program(environment, size, words):
    for backend in ("auto", "cuda"):
        result = subprocess.run(command("fake_gpu_server", "--backend", backend, "--tensor-parallel-size", str(size)), env=environment,
                                capture_output=True, text=True, check=False)
        assert result.returncode == 1 and words in result.stderr


def test_the_cpu_is_not_several_gpus():
    result = subprocess.run(command("fake_gpu_server", "--backend", "cpu", "--tensor-parallel-size", "2"), env=two_gpus(), capture_output=True,
                            text=True, check=False)
    assert result.returncode == 1 and "--tensor-parallel-size 2 is for GPUs, and the backend is cpu" in result.stderr


@pytest.mark.parametrize("environment, words", [
    (two_gpus(nccl="gathers=12"), "NCCL fails to gather: internal error"),
    (two_gpus("launches_until_fault=200"), "an illegal memory access"),
])
def test_when_gpus_stop_working_together_the_server_is_broken(tmp_path, environment, words):
    with running(tmp_path, environment, "fake_gpu_server", ["--tensor-parallel-size", "2"]) as server:
        while server.complete()[0] == 200:
            pass
        server.wait_for_log("the model cannot be computed")
        status, body = server.request("/health")
        assert status == 503 and words in body["error"]


def test_after_a_fault_in_a_kernel_the_server_is_broken_for_good(tmp_path):
    with running(tmp_path, fake_gpu("launches_until_fault=200"), "fake_gpu_server") as server:
        while server.complete()[0] == 200:
            pass
        server.wait_for_log("the model cannot be computed")
        for path in ("/health", "/ready"):
            status, body = server.request(path)
            assert status == 503 and "an illegal memory access" in body["error"]
        assert server.complete()[0] == 503

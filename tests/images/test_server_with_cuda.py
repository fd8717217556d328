"""The server's image for GPUs: small, with code for all of them, and ready for the driver that the node mounts."""

import contextlib
import json
import pathlib
import re
import shutil
import subprocess

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
MODEL = REPOSITORY / "tests" / "runtime" / "fixtures" / "llama"
TARGETS = ["80", "86", "89", "90", "100", "120"]


@pytest.fixture(scope="module")
def root(server, tmp_path_factory):
    """The image's files, with a small model in /model."""
    root = server.unpack(tmp_path_factory.mktemp("root"))
    shutil.copytree(MODEL, root / "model")
    return root


def in_image(server, root, *arguments, environment=()):
    """The command that runs the image's program with the image's files and environment and nothing else."""
    variables = [*server.config["Env"], *environment]
    flags = ["--model", "/model", "--skip-tokenizer-init", "--host", "127.0.0.1", "--port", "0", *arguments]
    return ["unshare", "--map-root-user", "env", "--ignore-environment", *variables, "/usr/sbin/chroot", root, *server.config["Entrypoint"], *flags]


def test_it_is_smaller_than_32_megabytes(server):
    assert len(server.layer) < 32_000_000


def test_the_program_in_it_has_machine_code_for_every_gpu_and_ptx_for_others(root):
    toolkit = subprocess.run([REPOSITORY / "scripts" / "install-cuda"], capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    command = [f"{toolkit}/bin/cuobjdump", "--list-elf", "--list-ptx", root / "usr/bin/gpuinfer-server"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {target: len(re.findall(rf"sm_{target}\.cubin", listing)) for target in TARGETS}
    assert found["80"] > 5, "each of the backend's files has code of its own"
    assert found == dict.fromkeys(TARGETS, found["80"])
    assert len(re.findall(r"sm_80\.ptx", listing)) == found["80"]


def test_a_program_without_code_for_a_gpu_is_refused(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "images")
    import cuda_code

    listing = "\n".join(f"ELF file 1: x.sm_{target}.cubin" for target in TARGETS if target != "90")
    monkeypatch.setattr(cuda_code.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, stdout=listing))
    assert cuda_code.missing_targets(pathlib.Path("program"), pathlib.Path("cuobjdump")) == ["sm_90", "PTX of compute_80"]


def test_the_container_toolkit_is_asked_for_the_driver(server, root):
    environment = dict(variable.split("=", 1) for variable in server.config["Env"])
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert environment["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"
    assert "include /etc/ld.so.conf.d/*.conf" in (root / "etc/ld.so.conf").read_text()
    assert server.config["User"] == "65532:65532"


def test_what_nvidias_libraries_are_linked_with_is_there(root):
    for name in ("libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "librt.so.1", "libstdc++.so.6"):
        assert list(root.glob(f"lib/*/{name}")), name


def test_the_bill_of_materials_names_cudas_runtime(server):
    linked = {part["name"]: part for part in server.materials["components"]}
    assert linked["nvidia-cuda-runtime"]["properties"][0]["value"] == "static"


def test_without_a_driver_it_says_so_and_ends(server, root):
    done = subprocess.run(in_image(server, root, "--backend", "cuda"), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: there is no NVIDIA driver (libcuda.so.1)" in done.stderr


def test_without_a_driver_it_serves_on_the_cpu_and_says_why(server, root):
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen(in_image(server, root), stderr=subprocess.PIPE, text=True))
        stack.callback(process.kill)
        entries = {}
        for line in process.stderr:
            entry = json.loads(line)
            entries[entry["message"]] = entry
            if entry["message"] == "ready":
                break
    assert entries["backend chosen"]["reason"] == "there is no NVIDIA driver (libcuda.so.1)"
    assert entries["ready"]["backend"].startswith("cpu")


@pytest.mark.parametrize("folder", ["usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/local/nvidia/lib64"])
def test_a_driver_that_is_mounted_where_container_toolkits_mount_it_is_found(server, root, tmp_path, folder):
    """A library with the driver's name that is no driver: the loader tells which file it took."""
    source = tmp_path / "driver.c"
    source.write_text("int nothing;\n")
    (root / folder).mkdir(parents=True, exist_ok=True)
    driver = root / folder / "libcuda.so.1"
    subprocess.run(["cc", "-shared", "-o", driver, source], check=True)
    try:
        command = in_image(server, root, "--backend", "cuda", environment=["LD_DEBUG=libs"])
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        driver.unlink()
    assert re.search(rf"calling init: /{folder}/libcuda\.so\.1$", done.stderr, re.MULTILINE)
    assert done.returncode == 1

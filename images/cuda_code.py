"""What a program holds for GPUs, and what a container needs so that the program finds the GPU's driver."""

import pathlib
import re
import subprocess

from oci_image import Entry

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent

# The NVIDIA container toolkit mounts the driver into containers that have these. The driver's libcuda.so.1 comes to the multiarch folder, which the
# loader searches by itself, or to the node's own folder, /usr/lib64 on Amazon Linux; other clouds' device plugins mount /usr/local/nvidia.
ENVIRONMENT = {
    "NVIDIA_VISIBLE_DEVICES": "all",
    "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
    "LD_LIBRARY_PATH": "/usr/lib64:/usr/local/nvidia/lib64",
}

DEBIAN_VERSION = pathlib.Path("/etc/debian_version")


def driver_files() -> list[Entry]:
    """How the toolkit learns where this image's loader searches: the mark of Debian's multiarch folders, and the file by which its ldconfig finds the
    list of folders that it leaves in ld.so.conf.d when it writes the container's ld.so.cache."""
    files = [Entry("etc/ld.so.conf", b"include /etc/ld.so.conf.d/*.conf\n")]
    if DEBIAN_VERSION.is_file():
        files.append(Entry("etc/debian_version", DEBIAN_VERSION.read_bytes()))
    return files


def nvidias_libraries_need(libraries: list[str]) -> list[str]:
    """What NVIDIA's libraries, which come into the container later, are linked with beside the program's own `libraries`: parts of glibc that have
    been empty since 2.34, and that what is built on older systems asks for (NCCL 2.32 does; docs/cuda.md)."""
    glibc = next(pathlib.Path(library).parent for library in libraries if library.endswith("/libc.so.6"))
    return [str(glibc / name) for name in ("libdl.so.2", "libpthread.so.0", "librt.so.1") if str(glibc / name) not in libraries]


def has_cuda_code(program: pathlib.Path) -> bool:
    sections = subprocess.run(["readelf", "--section-headers", "--wide", program], check=True, capture_output=True, text=True).stdout
    return ".nv_fatbin" in sections


def missing_targets(program: pathlib.Path, cuobjdump: pathlib.Path) -> list[str]:
    """What the program lacks of the code that cmake/cuda.cmake compiles for: ["sm_90", "PTX of compute_80"]."""
    listing = subprocess.run([cuobjdump, "--list-elf", "--list-ptx", program], check=True, capture_output=True, text=True).stdout
    settings = (REPOSITORY / "cmake" / "cuda.cmake").read_text()
    targets = re.search(r"set\(GPUINFER_CUDA_TARGETS ([\d ]+)\)", settings)[1].split()
    ptx = re.search(r"set\(GPUINFER_CUDA_PTX (\d+)\)", settings)[1]
    missing = [f"sm_{target}" for target in targets if f"sm_{target}.cubin" not in listing]
    return missing if f"sm_{ptx}.ptx" in listing else [*missing, f"PTX of compute_{ptx}"]


def cuobjdump_of(build: pathlib.Path) -> pathlib.Path:
    """Of the toolkit that the build folder was configured with."""
    nvcc = re.search(r"^GPUINFER_NVCC:\w+=(.*)$", (build / "CMakeCache.txt").read_text(), re.MULTILINE)[1]
    return pathlib.Path(nvcc).with_name("cuobjdump")

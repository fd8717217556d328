"""Which package a file of this machine belongs to: one of Debian's, or one of NVIDIA's wheels."""

import functools
import pathlib
import re
import subprocess
from dataclasses import dataclass

# By Debian's source package, what the parts that we use are under (/usr/share/doc/PACKAGE/copyright). NVIDIA's is no SPDX identifier.
LICENSES = {
    "boost1.74": "BSL-1.0",
    "brotli": "MIT",
    "ca-certificates": "MPL-2.0",
    "cli11": "BSD-3-Clause",
    "cpp-httplib": "MIT",
    "gcc-12": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "glibc": "LGPL-2.1-or-later",
    "highway": "Apache-2.0",
    "nlohmann-json3": "MIT",
    "openssl": "Apache-2.0",
    "pcre2": "BSD-3-Clause",
    "prometheus-cpp": "MIT",
    "simdjson": "Apache-2.0",
    "utf8proc": "MIT",
    "yaml-cpp": "MIT",
    "zlib": "Zlib",
}
CUDA_LICENSE = "LicenseRef-NVIDIA-CUDA-EULA"


@dataclass(frozen=True, order=True)
class Package:
    """`source` is what it was built from: packages with the same source have the same version and license. `purl`: see github.com/package-url."""

    name: str
    version: str
    source: str
    purl: str
    license: str


def packages_of(files: list[pathlib.Path]) -> dict[pathlib.Path, Package]:
    """The package of each file. Raises LookupError for a file that no package has."""
    owners = debian_owners(files)
    found = {file: debian_package(owners[file]) if file in owners else cuda_package(file) for file in files}
    if unknown := [str(file) for file, package in found.items() if package is None]:
        raise LookupError(f"no package has {', '.join(unknown)}")
    return found


def debian_owners(files: list[pathlib.Path]) -> dict[pathlib.Path, str]:
    """Packages name a file as it was before /lib became /usr/lib, or after."""
    if not files:
        return {}
    spellings = {}
    for file in files:
        spellings[str(file)] = file
        spellings[str(file).removeprefix("/usr") if str(file).startswith("/usr/lib") else f"/usr{file}"] = file
    listing = subprocess.run(["dpkg-query", "--search", *spellings], check=False, capture_output=True, text=True).stdout
    owners = re.findall(r"^([^\s,:]+(?::\w+)?)(?:, \S+)*: (/.*)$", listing, re.MULTILINE)
    return {spellings[path]: package for package, path in owners if path in spellings}


@functools.cache
def debian_package(binary: str) -> Package:
    fields = "${Package}\\t${Version}\\t${source:Package}\\t${Architecture}"
    query = subprocess.run(["dpkg-query", "--show", "--showformat", fields, binary], check=True, capture_output=True, text=True).stdout
    name, version, source, architecture = query.split("\t")
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', pathlib.Path("/etc/os-release").read_text(), re.MULTILINE))
    purl = f"pkg:deb/{release['ID']}/{name}@{version.replace('+', '%2B')}?arch={architecture}&distro={release['ID']}-{release.get('VERSION_ID', '')}"
    return Package(name, version, source, purl, LICENSES.get(source, ""))


def cuda_package(file: pathlib.Path) -> Package | None:
    """Of a wheel that scripts/install-cuda fetched, or of an installed toolkit."""
    for root in file.parents:
        if root.name.startswith("cuda"):  # /usr/local/cuda-13.0
            return Package("cuda-toolkit", root.name.removeprefix("cuda-"), "cuda", "", CUDA_LICENSE)
        for record in root.glob("nvidia_*.dist-info/RECORD"):
            if str(file.relative_to(root)) in wheel_files(record):
                name, version = record.parent.name.removesuffix(".dist-info").replace("_", "-").rsplit("-", 1)
                return Package(name, version, name, f"pkg:pypi/{name}@{version}", CUDA_LICENSE)
    return None


@functools.cache
def wheel_files(record: pathlib.Path) -> frozenset[str]:
    return frozenset(line.split(",", 1)[0] for line in record.read_text().splitlines())

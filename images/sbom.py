"""The bill of materials of an image (CycloneDX 1.5, JSON): whose code is in it, which version, under which license."""

import json
import pathlib
import uuid
from dataclasses import dataclass

from linked_files import included_headers, linked_archives
from packages import CUDA_LICENSE, Package, debian_package, packages_of

# Constants and structures of the kernel's interface: nothing of Linux itself is in a program.
INTERFACES = {"linux"}


@dataclass(frozen=True)
class Component:
    """`linked`: "shared", "static", "headers" or "data". `paths` are those of its files that are in the image."""

    package: Package
    linked: str
    paths: tuple[str, ...] = ()


def components(build: pathlib.Path, program: pathlib.Path, libraries: list[str], data: dict[str, str]) -> list[Component]:
    """Everything in the image that is not ours. `libraries` are paths; `data` are paths with the names of the packages that made those files."""
    owners = packages_of([pathlib.Path(path).resolve() for path in libraries])
    shared = {}
    for path in libraries:
        shared.setdefault(owners[pathlib.Path(path).resolve()], []).append(path)
    found = [Component(package, "shared", tuple(paths)) for package, paths in sorted(shared.items())]
    found += [Component(debian_package(name), "data", (path,)) for path, name in data.items()]
    # A library's headers say nothing new; a library that is nothing but headers shows in no other way.
    for linked, files in (("static", linked_archives(build, program)), ("headers", included_headers(build, program))):
        known = {component.package.source for component in found} | INTERFACES
        found += [Component(package, linked) for package in sorted(set(packages_of(files).values())) if package.source not in known]
    return found


def sbom(name: str, version: str, program_digest: str, timestamp: str, found: list[Component]) -> bytes:
    """`program_digest` is the program's SHA-256; `timestamp` is in UTC: "2026-11-30T12:00:00Z"."""
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, f"https://github.com/gpuinfer/gpuinfer/{name}/{program_digest}").urn,
        "version": 1,
        "metadata": {
            "timestamp": timestamp,
            "component": {
                "bom-ref": name,
                "type": "application",
                "name": name,
                "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
                "hashes": [{"alg": "SHA-256", "content": program_digest}],
            },
        },
        "components": [describe(component) for component in found],
        "dependencies": [{"ref": name, "dependsOn": [reference(component.package) for component in found]}],
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def describe(component: Component) -> dict:
    package = component.package
    described = {
        "bom-ref": reference(package),
        "type": "data" if component.linked == "data" else "library",
        "name": package.name,
        "version": package.version,
        "properties": [{"name": "gpuinfer:linked", "value": component.linked}],
    }
    if package.purl:
        described["purl"] = package.purl
    if package.license == CUDA_LICENSE:
        described["licenses"] = [{"license": {"name": "NVIDIA CUDA Toolkit EULA", "url": "https://docs.nvidia.com/cuda/eula/"}}]
    elif package.license:
        described["licenses"] = [{"expression": package.license}]
    if component.paths:
        described["evidence"] = {"occurrences": [{"location": path} for path in component.paths]}
    return described


def reference(package: Package) -> str:
    return f"{package.name}@{package.version}"

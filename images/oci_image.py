#!/usr/bin/env python3
"""Writes files into a one-layer OCI image archive, without a daemon or a registry; the same input gives the same bytes.

The archive is an OCI image layout in a tar file: `ctr images import`, `podman load` and `skopeo copy oci-archive:...` read it.
"""

import argparse
import gzip
import hashlib
import io
import json
import pathlib
import platform
import sys
import tarfile
from dataclasses import dataclass, field

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Entry:
    """A file of the image, or a folder where `contents` is None. Parent folders need no entry."""

    path: str
    contents: bytes | None
    mode: int = 0o644


@dataclass(frozen=True)
class Image:
    """What a container runtime needs to know besides the files. `tags` are full references: registry/repository:tag."""

    tags: list[str]
    entries: list[Entry]
    entrypoint: list[str]
    user: str = ""
    ports: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)


def write_image(image: Image, archive: pathlib.Path) -> int:
    """Writes the archive and returns the compressed size of the layer in bytes."""
    layer = layer_tar(image.entries)
    compressed = gzip.compress(layer, compresslevel=6, mtime=0)  # level 9 takes three times as long for half a percent
    architecture = ARCHITECTURES[platform.machine()]
    config = encode({
        "architecture": architecture,
        "os": "linux",
        "created": EPOCH,
        "config": {
            "Entrypoint": image.entrypoint,
            "Env": [f"{name}={value}" for name, value in ({"PATH": "/usr/local/bin:/usr/bin:/bin"} | image.environment).items()],
            "WorkingDir": "/",
            "User": image.user,
            "ExposedPorts": {port: {} for port in image.ports},
            "Labels": image.labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
        "history": [{"created": EPOCH, "created_by": "images/oci_image.py"}],
    })
    manifest = encode({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", compressed)],
    })
    index = encode({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            descriptor("application/vnd.oci.image.manifest.v1+json", manifest) | {
                "platform": {"architecture": architecture, "os": "linux"},
                "annotations": {
                    "io.containerd.image.name": tag,
                    "org.opencontainers.image.ref.name": tag.rsplit(":", 1)[-1],
                },
            } for tag in image.tags
        ],
    })
    blobs = [Entry("blobs/sha256/" + digest(blob).removeprefix("sha256:"), blob) for blob in (config, manifest, compressed)]
    archive.parent.mkdir(parents=True, exist_ok=True)
    archive.write_bytes(layer_tar([Entry("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), Entry("index.json", index), *blobs]))
    return len(compressed)


def write_files(entries: list[Entry], folder: pathlib.Path) -> None:
    """Writes the entries below `folder` instead of into an archive."""
    for entry in entries:
        path = folder / entry.path.lstrip("/")
        if entry.contents is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(entry.contents)
        path.chmod(entry.mode)


def layer_tar(entries: list[Entry]) -> bytes:
    """A tar file of the entries and their parent folders: sorted, owned by root, from 1970."""
    by_path = {entry.path.strip("/"): entry for entry in entries}
    for path in list(by_path):
        for parent in pathlib.PurePosixPath(path).parents[:-1]:
            by_path.setdefault(str(parent), Entry(str(parent), None, 0o755))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, entry in sorted(by_path.items()):
            info = tarfile.TarInfo(path)
            info.mode = entry.mode
            if entry.contents is None:
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            else:
                info.size = len(entry.contents)
                tar.addfile(info, io.BytesIO(entry.contents))
    return buffer.getvalue()


def digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def descriptor(media_type: str, blob: bytes) -> dict:
    return {"mediaType": media_type, "digest": digest(blob), "size": len(blob)}


def encode(document: dict) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=pathlib.Path)
    parser.add_argument("files", nargs="+", metavar="PATH_IN_IMAGE=FILE", help="the file's permissions are kept")
    parser.add_argument("--tag", action="append", required=True)
    parser.add_argument("--entrypoint", required=True)
    arguments = parser.parse_args()
    entries = []
    for argument in arguments.files:
        path, file = argument.split("=", 1)
        source = pathlib.Path(file)
        entries.append(Entry(path, source.read_bytes(), source.stat().st_mode & 0o777))
    size = write_image(Image(tags=arguments.tag, entries=entries, entrypoint=[arguments.entrypoint]), arguments.archive)
    print(f"{' '.join(arguments.tag)}: {size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()

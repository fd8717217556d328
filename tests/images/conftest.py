"""The programs of one build, and their images, built once."""

import io
import json
import os
import pathlib
import subprocess
import tarfile

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


class Image:
    """An image archive, opened."""

    def __init__(self, archive: pathlib.Path, build_log: str):
        self.archive = archive
        self.materials = json.loads(archive.with_suffix(".cdx.json").read_text())
        self.build_log = build_log
        with tarfile.open(archive) as tar:
            self.blobs = {name: tar.extractfile(name).read() for name in tar.getnames() if tar.getmember(name).isfile()}
        self.manifests = json.loads(self.blobs["index.json"])["manifests"]
        self.manifest = json.loads(self.blob(self.manifests[0]))
        self.config = json.loads(self.blob(self.manifest["config"]))["config"]
        self.layer = self.blob(self.manifest["layers"][0])
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as layer:
            self.members = {member.name: member for member in layer}

    def blob(self, descriptor):
        content = self.blobs["blobs/" + descriptor["digest"].replace(":", "/")]
        assert len(content) == descriptor["size"]
        return content

    def unpack(self, folder):
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as layer:
            layer.extractall(folder, filter="fully_trusted")
        return folder


@pytest.fixture(scope="session")
def build_image(tmp_path_factory):
    """build_image("server", "--cuda") builds and opens an image."""
    preset = pathlib.Path(os.environ["GPUINFER_BIN"]).absolute().parent.name

    def build(*arguments):
        command = [REPOSITORY / "scripts" / "build-image", *arguments, "--preset", preset, "--output", tmp_path_factory.mktemp("image")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return Image(pathlib.Path(done.stdout.splitlines()[-1]), done.stderr)

    return build


@pytest.fixture(scope="session")
def server(build_image):
    return build_image("server", "--cuda")


@pytest.fixture(scope="session", params=["server", "webhook"])
def image(request, build_image):
    return build_image(request.param, "--tag", "example.com/one:1", "--tag", "example.com/two:2")

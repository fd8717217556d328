"""What scripts/build-image writes: the same bytes each time, and nothing that the program does not need."""

import hashlib
import io
import json
import pathlib
import tarfile

import pytest

from cluster import REPOSITORY, run


@pytest.fixture(params=["server", "webhook"])
def archive(request, programs):
    """Builds the image under two other names; under its own again afterwards."""
    command = [REPOSITORY / "scripts" / "build-image", request.param, "--preset", programs.parent.name]
    yield lambda: pathlib.Path(run([*command, "--tag", "example.com/one:1", "--tag", "example.com/two:2"]).stdout.splitlines()[-1])
    run(command)


def test_the_same_program_gives_the_same_bytes(archive):
    assert hashlib.sha256(archive().read_bytes()).digest() == hashlib.sha256(archive().read_bytes()).digest()


def test_the_archive_is_an_oci_layout_with_a_program_for_a_user_without_rights(archive):
    with tarfile.open(archive()) as tar:
        blobs = {name: tar.extractfile(name).read() for name in tar.getnames() if tar.getmember(name).isfile()}
    for name, blob in blobs.items():
        if name.startswith("blobs/sha256/"):
            assert name.endswith(hashlib.sha256(blob).hexdigest())

    def blob(descriptor):
        content = blobs["blobs/" + descriptor["digest"].replace(":", "/")]
        assert len(content) == descriptor["size"]
        return content

    manifests = json.loads(blobs["index.json"])["manifests"]
    assert [manifest["annotations"]["io.containerd.image.name"] for manifest in manifests] == ["example.com/one:1", "example.com/two:2"]
    manifest = json.loads(blob(manifests[0]))
    config = json.loads(blob(manifest["config"]))["config"]
    assert config["User"] == "65532:65532"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"

    with tarfile.open(fileobj=io.BytesIO(blob(manifest["layers"][0]))) as layer:
        members = {member.name: member for member in layer}
    program = config["Entrypoint"][0].lstrip("/")
    assert members[program].mode == 0o755
    assert members["tmp"].mode == 0o1777
    assert all(member.mtime == 0 and member.uid == 0 for member in members.values())
    programs = [name for name in members if name.startswith(("usr/bin/", "bin/")) and members[name].isfile()]
    assert programs == [program], "no shell and no other program"

"""What scripts/build-image writes: the same bytes each time, nothing that the program does not need, and a list of whose code it is."""

import hashlib
import json
import re
import subprocess


def test_the_same_program_gives_the_same_bytes(image, build_image):
    name = image.config["Labels"]["org.opencontainers.image.title"].removeprefix("gpuinfer-")
    again = build_image(name, "--tag", "example.com/one:1", "--tag", "example.com/two:2")
    assert image.archive.read_bytes() == again.archive.read_bytes()
    assert image.materials == again.materials


def test_the_archive_is_an_oci_layout_with_a_program_for_a_user_without_rights(image):
    for name, blob in image.blobs.items():
        if name.startswith("blobs/sha256/"):
            assert name.endswith(hashlib.sha256(blob).hexdigest())
    names = [manifest["annotations"]["io.containerd.image.name"] for manifest in image.manifests]
    assert names == ["example.com/one:1", "example.com/two:2"]
    assert image.config["User"] == "65532:65532"
    program = image.config["Entrypoint"][0].lstrip("/")
    assert image.members[program].mode == 0o755
    assert image.members["tmp"].mode == 0o1777
    assert all(member.mtime == 0 and member.uid == 0 for member in image.members.values())
    programs = [name for name, member in image.members.items() if name.startswith(("usr/bin/", "bin/")) and member.isfile()]
    assert programs == [program], "no shell and no other program"


def test_labels_say_what_it_is_and_where_it_comes_from(image):
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in image.config["Labels"].items()}
    assert labels["title"] == image.config["Entrypoint"][0].rsplit("/", 1)[-1]
    assert labels["licenses"] == "Apache-2.0"
    assert re.fullmatch(r"\d+\.\d+\.\d+", labels["version"])
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["revision"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", labels["created"])
    assert labels["description"] and labels["source"].startswith("https://")


def test_the_bill_of_materials_names_every_file_that_is_not_ours(image, tmp_path):
    root = image.unpack(tmp_path)
    program = image.config["Entrypoint"][0].rsplit("/", 1)[-1]
    assert json.loads((root / f"var/lib/db/sbom/{program}.cdx.json").read_text()) == image.materials
    assert (image.materials["bomFormat"], image.materials["specVersion"]) == ("CycloneDX", "1.5")
    described = image.materials["metadata"]["component"]
    assert described["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256((root / "usr/bin" / program).read_bytes()).hexdigest()}]

    places = [place["location"] for part in image.materials["components"] for place in part.get("evidence", {}).get("occurrences", [])]
    libraries = [f"/{name}" for name, member in image.members.items() if member.isfile() and ".so" in name and not name.startswith("etc/")]
    assert sorted(places) == sorted([*libraries, "/etc/ssl/certs/ca-certificates.crt"])
    shown = subprocess.run(["ldd", root / "usr/bin" / program], capture_output=True, text=True, check=False).stdout
    for_nvidias_libraries = ("/libdl.so.2", "/libpthread.so.0", "/librt.so.1")
    assert sorted(re.findall(r"(/\S+) \(0x", shown)) == sorted(library for library in libraries if not library.endswith(for_nvidias_libraries))
    for part in image.materials["components"]:
        assert part["version"], part
        assert part["licenses"], part
        assert part["purl"].startswith(("pkg:deb/", "pkg:pypi/nvidia-cuda-")), part


def test_the_bill_of_materials_names_what_is_linked_statically_and_what_is_nothing_but_headers(build_image):
    linked = {part["name"]: part["properties"][0]["value"] for part in build_image("webhook").materials["components"]}
    assert linked["nlohmann-json3-dev"] == "headers"
    assert linked["libssl-dev"] == "static", "the release build links the webhook statically"
    assert "linux-libc-dev" not in linked

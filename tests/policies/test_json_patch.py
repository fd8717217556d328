"""Our JSON Patches, applied by another implementation of RFC 6902 (PyPI jsonpatch)."""

import copy
import json
import os
import pathlib
import subprocess

import jsonpatch
import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
DUMP = pathlib.Path(os.environ["GPUINFER_BIN"]) / "patch_dump"
CASES = json.loads(subprocess.run([DUMP], cwd=TESTS, check=True, capture_output=True).stdout)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_patch_gives_the_injected_object(case):
    assert jsonpatch.apply_patch(case["before"], case["patch"]) == case["after"]


@pytest.mark.parametrize("case", [c for c in CASES if c["patch"]], ids=[c["name"] for c in CASES if c["patch"]])
def test_patch_is_minimal(case):
    """No operation can be left out: every one but a test changes something that the result needs."""
    for index, operation in enumerate(case["patch"]):
        if operation["op"] == "test":
            continue
        shorter = case["patch"][:index] + case["patch"][index + 1 :]
        assert jsonpatch.apply_patch(case["before"], shorter) != case["after"]


@pytest.mark.parametrize("case", [c for c in CASES if c["patch"]], ids=[c["name"] for c in CASES if c["patch"]])
def test_patch_refuses_containers_in_another_order(case):
    """A patch that goes into a container must fail, not land in its neighbour, when another webhook has put one first."""
    goes_into_a_container = any(
        operation["op"] != "test" and operation["path"].startswith("/spec/containers/") for operation in case["patch"]
    )
    if not goes_into_a_container:
        return
    moved = copy.deepcopy(case["before"])
    moved["spec"]["containers"].insert(0, {"name": "somebody-elses-sidecar", "image": "sidecar"})
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        jsonpatch.apply_patch(moved, case["patch"])

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


def goes_into_a_container(case):
    return any(step["op"] != "test" and step["path"].startswith("/spec/containers/") for step in case["patch"])


def each(cases):
    cases = list(cases)
    assert cases
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


@each(CASES)
def test_patch_gives_the_injected_object(case):
    assert jsonpatch.apply_patch(case["before"], case["patch"]) == case["after"]


@each(case for case in CASES if case["patch"])
def test_patch_is_minimal(case):
    """No operation can be left out: every one but a test changes something that the result needs."""
    for index, step in enumerate(case["patch"]):
        if step["op"] == "test":
            continue
        shorter = case["patch"][:index] + case["patch"][index + 1 :]
        assert jsonpatch.apply_patch(case["before"], shorter) != case["after"]


@each(case for case in CASES if goes_into_a_container(case))
def test_patch_refuses_containers_in_another_order(case):
    """It must fail, not land in the neighbour, when another webhook has put a container first."""
    moved = copy.deepcopy(case["before"])
    moved["spec"]["containers"].insert(0, {"name": "somebody-elses-sidecar", "image": "sidecar"})
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        jsonpatch.apply_patch(moved, case["patch"])

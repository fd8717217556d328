"""policies/injection_policy.schema.json and the parser of policy documents say the same."""

import copy
import json
import os
import pathlib
import re
import subprocess

import jsonschema
import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
CHECK = pathlib.Path(os.environ["GPUINFER_BIN"]) / "policy_check"
SCHEMA = json.loads((ROOT / "policies/injection_policy.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
UNKNOWN_KEY = "noSuchKey"


def check(text):
    """What the parser says: the documents as JSON values, and the error or ""."""
    done = subprocess.run([CHECK], input=text, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def documents_of(path):
    answer = check(path.read_text())
    return answer["documents"]


EVERY_SETTING = documents_of(TESTS / "policies/every_setting.yaml")[0]


def golden_documents():
    for path in sorted((TESTS / "policies/testdata").rglob("*.yaml")):
        for number, document in enumerate(documents_of(path)):
            if isinstance(document, dict) and document.get("kind") == "InjectionPolicy":
                yield pytest.param(document, id=f"{path.relative_to(TESTS / 'policies/testdata')}:{number}")


def examples_in_docs():
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/policies.md").read_text(), re.DOTALL | re.MULTILINE)
    for number, block in enumerate(blocks):
        yield pytest.param(block, id=f"example {number}")


def objects_with_known_keys(value, path=()):
    """The places in a document that are objects of fixed keys, with the schema's properties of each."""

    def resolved(schema):
        while "$ref" in schema:
            schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        return schema

    def walk(value, schema, path):
        schema = resolved(schema)
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from walk(item, schema.get("items", {}), (*path, index))
        if not isinstance(value, dict):
            return
        if "properties" in schema:
            yield path, set(schema["properties"])
        for key, item in value.items():
            member = schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))
            yield from walk(item, member if isinstance(member, dict) else {}, (*path, key))

    yield from walk(value, SCHEMA, path)


def at(document, path):
    for step in path:
        document = document[step]
    return document


KNOWN = list(objects_with_known_keys(EVERY_SETTING))


def test_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_default_document_is_valid():
    [document] = documents_of(ROOT / "policies/default_policy.yaml")
    VALIDATOR.validate(document)


def test_document_with_every_setting_is_valid():
    VALIDATOR.validate(EVERY_SETTING)
    assert check(json.dumps(EVERY_SETTING))["error"] == ""


@pytest.mark.parametrize("document", list(golden_documents()))
def test_golden_documents_are_valid(document):
    VALIDATOR.validate(document)


@pytest.mark.parametrize("block", list(examples_in_docs()))
def test_examples_in_docs_are_valid(block):
    answer = check(block)
    policies = [document for document in answer["documents"] if document["kind"] == "InjectionPolicy"]
    for document in policies:
        VALIDATOR.validate(document)
        assert check(json.dumps(document))["error"] == ""
    assert answer["documents"]


@pytest.mark.parametrize("path,properties", KNOWN, ids=[".".join(map(str, path)) or "document" for path, _ in KNOWN])
def test_schema_and_parser_know_the_same_keys(path, properties):
    document = copy.deepcopy(EVERY_SETTING)
    at(document, path)[UNKNOWN_KEY] = 1
    assert not VALIDATOR.is_valid(document)
    answer = check(json.dumps(document))
    assert f"{UNKNOWN_KEY} is an unknown key" in answer["error"]
    assert set(answer["remedy"].removeprefix("known keys here: ").split(", ")) == properties


def test_every_key_of_the_schema_is_in_the_document_with_every_setting():
    used = {(path, key) for path, properties in KNOWN for key in at(EVERY_SETTING, path)}
    for path, properties in KNOWN:
        is_one_of_several = path[:3] == ("spec", "modelStorage", "storage")
        if not is_one_of_several:
            assert {key for key in properties if (path, key) not in used} == set(), path


WRONG = {
    "spec": [[], "text"],
    "spec.inject": ["always", True],
    "spec.onInvalidAnnotation": ["refuse"],
    "spec.excludedNamespaces": ["kube-system", ["Kube"], [1]],
    "spec.provisioner": ["eks"],
    "spec.selector": [{}, {"namespaces": []}, {"matchExpressions": [{"key": "a"}]}],
    "spec.selector.namespaces": [["a b"], "a"],
    "spec.selector.matchLabels": [{"a b": "x"}, {"a": "x y"}, {"a": 1}],
    "spec.selector.matchExpressions": [
        [{"key": "a", "operator": "In"}],
        [{"key": "a", "operator": "In", "values": []}],
        [{"key": "a", "operator": "Exists", "values": ["b"]}],
        [{"key": "a", "operator": "Is", "values": ["b"]}],
        [{"operator": "Exists"}],
    ],
    "spec.selector.images": [[""], "nginx"],
    "spec.selector.requestsGpu": ["true"],
    "spec.gpuToleration.keys": [["gpu"], "nvidia.com/gpu"],
    "spec.gpuToleration.enabled": ["true", 1],
    "spec.sharedMemory.perGpu": [0, "2 gigs", -1],
    "spec.sharedMemory.memoryLimitPercent": [0, 101, 50.5, "50"],
    "spec.imageRegistry.rewrites": [{"https://ghcr.io": "x"}, {"ghcr.io": 1}, {"": "x"}],
    "spec.modelStorage.mountPath": ["models", "/", "/models/", "/a/../b", "/a:b"],
    "spec.modelStorage.defaultStorage": ["", "My Bucket"],
    "spec.modelStorage.storage": [
        {"s3": "claim"},
        {"s3": {}},
        {"s3": {"claim": "a", "hostPath": "/b"}},
        {"S3": {"claim": "a"}},
        {"x": {"nvmeFolder": "/abs"}},
        {"x": {"nvmeFolder": "a/../b"}},
        {"x": {"image": "registry.example/models"}},
        {"x": {"claim": "a", "zone": "a"}},
    ],
    "spec.environment.region": ["here"],
    "spec.environment.apiKeySecret": ["My Secret"],
    "spec.environment.variables": [{"1A": "x"}, {"A": 1}, {"A-B": "x"}],
    "spec.placement.nodes.minInstanceGeneration": [0, 100, "5"],
    "spec.placement.nodes.gpuCounts": [[0], ["1"]],
    "spec.placement.nodes.capacityTypes": [["cheap"]],
    "spec.placement.nodes.zones": [["a"]],
    "spec.placement.nodes.gpuNames": [[""], ["l 4"]],
    "spec.probes.path": ["health", "/a b"],
    "spec.probes.startupSeconds": [0, 86401],
    "spec.hardening.runAsUser": [-1, 2147483648],
    "spec.disruption.protectFor": ["", "0s", "30", "soon", "1m1h", "true"],
    "metadata.name": ["", "A", 1],
    "apiVersion": ["gpuinfer.dev/v1", None],
    "kind": ["Policy"],
}


@pytest.mark.parametrize("path,value", [(path, value) for path, values in WRONG.items() for value in values])
def test_schema_and_parser_refuse_the_same(path, value):
    document = copy.deepcopy(EVERY_SETTING)
    *parents, key = path.split(".")
    at(document, parents)[key] = value
    error = check(json.dumps(document))["error"]
    assert re.match(r"policy\.yaml:\d+:\d+: ", error), error
    assert not VALIDATOR.is_valid(document)


def test_injecting_everybody_needs_a_selector():
    document = copy.deepcopy(EVERY_SETTING)
    del document["spec"]["selector"]
    assert "document without a selector" in check(json.dumps(document))["error"]
    assert not VALIDATOR.is_valid(document)

"""Each fuzz target runs for a while on the seeds, on what earlier runs here found, and on what it makes of them; none may end early.

    pytest tests/fuzz --seconds 300
"""

import json
import pathlib
import re
import subprocess

import pytest
import yaml

FOLDER = pathlib.Path(__file__).resolve().parent
TESTS = FOLDER.parent
BUILD = TESTS.parent / "build" / "fuzz"
TARGETS = ["admission_review", "image_reference", "json_patch", "policy_document", "quantity"]
MAX_INPUT_BYTES = 16384


def golden_documents():
    """The documents of the golden corpus, file by file, without the answers: objects, and some InjectionPolicy documents."""
    corpus = TESTS / "policies" / "testdata"
    for path in sorted(corpus.rglob("*.yaml")):
        given, _, _ = path.read_text(encoding="utf-8").partition("--- # answer\n")
        yield path.stem, [document for document in yaml.safe_load_all(given) if document]


def is_policy(document):
    return document.get("kind") == "InjectionPolicy"


def objects():
    for name, documents in golden_documents():
        for document in documents:
            if not is_policy(document):
                yield name, document


def review_of(document, operation="CREATE"):
    group, _, version = document.get("apiVersion", "v1").rpartition("/")
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": group, "version": version, "kind": document.get("kind", "")},
        "namespace": "team",
        "operation": operation,
        "object": document,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def images(document):
    """Every value of an `image` field."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "image" and isinstance(value, str):
                yield value
            else:
                yield from images(value)
    elif isinstance(document, list):
        for item in document:
            yield from images(item)


def to_json(document):
    return json.dumps(document, default=str)  # PyYAML reads timestamps as such


def seeds_of(target):
    """The texts to start from, by name."""
    if target == "admission_review":
        return {name: to_json(review_of(document)) for name, document in objects()}
    if target == "image_reference":
        found = sorted({image for _, document in objects() for image in images(document)})
        return {str(number): image for number, image in enumerate(found)}
    if target == "json_patch":
        return {name: to_json([document, {**document, "spec": {}}]) for name, document in objects()}
    if target == "policy_document":
        documents = {name: yaml.safe_dump_all(filter(is_policy, documents)) for name, documents in golden_documents()}
        documents["default"] = (TESTS.parent / "policies" / "default_policy.yaml").read_text(encoding="utf-8")
        documents["everything"] = (FOLDER / "everything.yaml").read_text(encoding="utf-8")
        return {name: text for name, text in documents.items() if text}
    return dict(enumerate(["0", "1", "500m", "2Gi", "1.5Ti", "1e3", "-12E6", "9223372036854775807", "0.000000001", "100n"]))


@pytest.fixture(scope="session")
def seconds(request):
    return request.config.getoption("--seconds")


@pytest.mark.parametrize("target", TARGETS)
def test_fuzz(target, seconds, tmp_path, record_property):
    fuzzer = BUILD / "bin" / f"fuzz_{target}"
    assert fuzzer.exists(), f"{fuzzer} is missing: scripts/build fuzz"
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    for name, text in seeds_of(target).items():
        (seeds / str(name)).write_text(text, encoding="utf-8")
    assert any(seeds.iterdir())
    corpus = BUILD / "corpus" / target
    crashes = BUILD / "crashes" / target
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)

    done = subprocess.run(
        [
            fuzzer,
            f"-max_total_time={seconds}",
            f"-max_len={MAX_INPUT_BYTES}",
            f"-artifact_prefix={crashes}/",
            f"-dict={FOLDER / 'words.dict'}",
            "-timeout=60",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
            corpus,
            seeds,
            *(folder for folder in [FOLDER / "seeds" / target] if folder.exists()),
        ],
        capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, (
        f"{done.stderr[-6000:]}\nkeep the input, made small with `{fuzzer.name} -minimize_crash=1`, as a file of tests/fuzz/seeds/{target}")
    executions = re.search(r"stat::number_of_executed_units: (\d+)", done.stderr).group(1)
    coverage = re.findall(r"cov: (\d+)", done.stderr)[-1]
    inputs = sum(1 for _ in corpus.iterdir())
    record_property("fuzzed", f"{target}: {executions} executions, {coverage} places reached, {inputs} inputs kept")

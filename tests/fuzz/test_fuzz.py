"""Each fuzz target runs for a while on the seeds, on what earlier runs here found, and on what it makes of them; none may end early.

    pytest tests/fuzz --seconds 300
"""

import concurrent.futures
import json
import math
import os
import pathlib
import re
import struct
import subprocess

import pytest
import yaml

FOLDER = pathlib.Path(__file__).resolve().parent
TESTS = FOLDER.parent
BUILD = TESTS.parent / "build" / "fuzz"
TARGETS = ["admission_review", "gguf", "image_reference", "json_patch", "model_config", "policy_document", "quantity", "request_body", "safetensors", "tokenizer_json"]
MODEL_TARGETS = ["gguf", "model_config", "safetensors"]
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


def small_gguf(architecture):
    """A whole model of one layer with four hidden units, as small as the format allows."""
    size = 4
    strings = [("general.architecture", architecture)]
    numbers = []
    for key in ("block_count", "attention.head_count"):
        numbers.append((f"{architecture}.{key}", 1))
    for key in ("context_length", "embedding_length", "feed_forward_length"):
        numbers.append((f"{architecture}.{key}", size))
    names = ["token_embd.weight", "output_norm.weight"] + [f"blk.0.{name}.weight" for name in (
        "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down",
        *(["attn_q_norm", "attn_k_norm"] if architecture in ("qwen3", "gemma3") else []),
        *(["post_attention_norm", "post_ffw_norm"] if architecture == "gemma3" else []))]

    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()

    metadata = b"".join(text(key) + struct.pack("<I", 8) + text(value) for key, value in strings)
    metadata += b"".join(text(key) + struct.pack("<II", 4, value) for key, value in numbers)
    table, data = b"", b""
    for name in names:
        shape = [size] if "norm" in name else [size, size]
        table += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        data += struct.pack(f"<{size ** len(shape)}f", *([0.5] * size ** len(shape)))
        data += bytes(-len(data) % 32)
    header = b"GGUF" + struct.pack("<IQQ", 3, len(names), len(strings) + len(numbers)) + metadata + table
    return header + bytes(-len(header) % 32) + data


def small_safetensors():
    """The weights of the model whose config.json is in safetensors.cpp."""
    layer = "model.layers.0."
    shapes = {"model.embed_tokens.weight": [4, 4], "model.norm.weight": [4], f"{layer}input_layernorm.weight": [4],
              f"{layer}post_attention_layernorm.weight": [4]}
    for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"):
        shapes[f"{layer}{name}.weight"] = [4, 4]
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\x80\x3f" * (end // 2)


def model_seeds(target):
    """The files to start from, by name."""
    if target == "gguf":
        return {name: small_gguf(name) for name in ("llama", "qwen2", "qwen3", "gemma3")}
    if target == "safetensors":
        return {"llama": small_safetensors()}
    fixtures = TESTS / "runtime" / "fixtures"
    return {path.parent.name: path.read_bytes() for path in fixtures.glob("*/config.json")}


def request_bodies():
    """What clients send to the inference server, with nearly every parameter."""
    common = {
        "model": "m", "n": 2, "max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.1, "seed": -7, "stop": ["a", "b"],
        "stop_token_ids": [3], "min_tokens": 2, "logit_bias": {"5": -1.5}, "presence_penalty": 1, "frequency_penalty": -1,
        "repetition_penalty": 1.1, "allowed_token_ids": [1, 2], "bad_words": ["x"], "truncate_prompt_tokens": -1, "priority": 3,
        "cache_salt": "s", "timeout": 1.5, "return_token_ids": True, "stream": True, "stream_options": {"include_usage": True},
    }
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    chat = {**common, "messages": messages, "logprobs": True, "top_logprobs": 2, "tools": [], "response_format": {"type": "text"},
            "chat_template_kwargs": {"a": 1}, "reasoning_effort": "low"}
    completion = {**common, "prompt": ["once", [1, 2]], "logprobs": 3, "echo": True}
    embedding = {"input": ["once", [1, 2]], "encoding_format": "base64", "priority": 1}
    return {name: to_json(body) for name, body in [("chat", chat), ("completion", completion), ("embedding", embedding)]}


def seeds_of(target):
    """The texts to start from, by name."""
    if target == "tokenizer_json":
        testdata = TESTS / "runtime" / "text" / "testdata"
        return {name: (testdata / f"{name}.json").read_text(encoding="utf-8") for name in ["tokenizer", "sentencepiece", "unigram"]}
    if target == "request_body":
        return request_bodies()
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


def corpus_of(target):
    return BUILD / "corpus" / target


def fuzzer_of(target):
    return BUILD / "bin" / f"fuzz_{target}"


def fuzz(target, seconds, seeds):
    """Runs the fuzzer; `seeds` is an empty folder."""
    if target in MODEL_TARGETS:
        contents = model_seeds(target)
    else:
        contents = {name: text.encode() for name, text in seeds_of(target).items()}
    for name, seed in contents.items():
        (seeds / str(name)).write_bytes(seed)
    assert any(seeds.iterdir())
    crashes = BUILD / "crashes" / target
    for folder in (corpus_of(target), crashes):
        folder.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [
            fuzzer_of(target),
            f"-max_total_time={seconds}",
            f"-max_len={MAX_INPUT_BYTES}",
            f"-artifact_prefix={crashes}/",
            f"-dict={FOLDER / 'words.dict'}",
            "-timeout=60",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
            corpus_of(target),
            seeds,
            *(folder for folder in [FOLDER / "seeds" / target] if folder.exists()),
        ],
        capture_output=True, text=True, errors="replace", check=False)


@pytest.fixture(scope="session")
def runs(request, seconds, tmp_path_factory):
    """Those of the chosen targets, as many at a time as there are CPUs."""
    chosen = [item.callspec.params["target"] for item in request.session.items if item.function is test_fuzz]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {target: pool.submit(fuzz, target, seconds, tmp_path_factory.mktemp(target)) for target in chosen}


@pytest.mark.parametrize("target", TARGETS)
def test_fuzz(target, runs, record_property):
    fuzzer = fuzzer_of(target)
    assert fuzzer.exists(), f"{fuzzer} is missing: scripts/build fuzz"
    done = runs[target].result()
    assert done.returncode == 0, (
        f"{done.stderr[-6000:]}\nkeep the input, made small with `{fuzzer.name} -minimize_crash=1`, as a file of tests/fuzz/seeds/{target}")
    executions = re.search(r"stat::number_of_executed_units: (\d+)", done.stderr).group(1)
    coverage = re.findall(r"cov: (\d+)", done.stderr)[-1]
    inputs = sum(1 for _ in corpus_of(target).iterdir())
    record_property("fuzzed", f"{target}: {executions} executions, {coverage} places reached, {inputs} inputs kept")

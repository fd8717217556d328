"""bench/gpu/model.md is what gpu_model prints, and its counts are those that follow from gpt-oss's shapes."""

import os
import pathlib
import re
import subprocess

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[4]
PAGE = REPOSITORY / "bench" / "gpu" / "model.md"

HIDDEN, HEADS, KV_HEADS, HEAD_DIM, VOCABULARY, WINDOW, PICKS = 2880, 64, 8, 64, 201088, 128, 4
CONTEXT = 1024


@pytest.fixture(scope="module")
def printed():
    program = pathlib.Path(os.environ["GPUINFER_BIN"]) / "gpu_model"
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout


def rows_of(printed, model):
    """By step: the numbers of its row in the table of work."""
    section = printed.partition(f"## {model}\n")[2].partition("\n## ")[0]
    return {step: cells.split(" | ") for step, cells in re.findall(r"^\| ((?:decode|prompt)[^|]*) \| (.*) \|$", section, re.MULTILINE)}


def decode_bytes(layers):
    """That a step of one sequence reads: every weight once, of the experts those picked, and its keys and values."""
    attention = 2 * HIDDEN * HEAD_DIM * (2 * HEADS + 2 * KV_HEADS)
    expert = 3 * HIDDEN * HIDDEN * 17 // 32  # Blocks of 32 in 16 bytes and a scale.
    key_value = 2 * 2 * KV_HEADS * HEAD_DIM
    return layers * (attention + PICKS * expert + key_value * (CONTEXT + WINDOW) // 2) + 2 * VOCABULARY * HIDDEN


def test_the_page_is_what_the_program_prints(printed):
    assert PAGE.read_text() == printed, "the steps or their costs changed: build/release/bin/gpu_model > bench/gpu/model.md"


@pytest.mark.parametrize("model, layers", [("gpt-oss-20b", 24), ("gpt-oss-120b", 36)])
def test_a_step_costs_what_the_shapes_say(printed, model, layers):
    rows = rows_of(printed, model)
    gigabytes = float(rows["decode, batch 1"][0])
    assert 1 <= gigabytes * 1e9 / decode_bytes(layers) < 1.03  # More by norms, biases and activations.
    # Embedding, angles, last norm, selection, output matrix, sampling; in a layer two norms, q k v, RoPE, attention, o, and six of the mixture.
    assert int(rows["prompt of 1024"][2]) == 6 + 12 * layers
    # Up to RoPE is one launch, and the router one. Attention of full layers is shared out, and merged.
    assert int(rows["decode, batch 1"][2]) == 6 + 10 * layers + layers // 2


@pytest.mark.parametrize("model", ["gpt-oss-20b", "gpt-oss-120b"])
def test_no_prediction_passes_its_limit(printed, model):
    section = printed.partition(f"## {model}\n")[2].partition("\n## ")[0]
    pairs = re.findall(r"(\d+) / (\d+) \(\d+ %\)", section)
    assert pairs and all(int(predicted) < int(limit) for limit, predicted in pairs)

"""Real weights: what SmolLM2 135M and Gemma 3 270M answer and predict is what llama.cpp and transformers make of the same files.

testdata/expected.json was made by record.py. Greedy continuations are compared on weights dequantised to float32, up to the first step where the two
best tokens are closer than MARGIN on either side: there, another order of additions may decide. On the quantised files programs round activations
differently, so they are compared by perplexity.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "text"))
import packages  # noqa: E402

EXPECTED = json.loads((HERE / "testdata" / "expected.json").read_text(encoding="utf-8"))["models"]
MARGIN = 0.01
CONTEXT = 512


def model_file(name):
    if name == "gemma-3-270m":
        return packages.gemma_gguf()
    path = packages.MODELS / name / EXPECTED[name]["file"]
    assert path.exists(), f"{path} is missing: run kubectl-gpuinfer models pull {name}"
    return path


def ask(name, **question):
    """The answer of logits_tool.cpp."""
    program = os.path.join(os.environ["GPUINFER_BIN"], "logits_tool")
    question = {"model": str(model_file(name)), "backend": "cpu", **question}
    done = subprocess.run([program], input=json.dumps(question), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def first_doubtful_step(*answers):
    """How many steps all answers took with a lead of MARGIN."""
    clear = [all(margin >= MARGIN for margin in margins) for margins in zip(*(answer["margins"] for answer in answers))]
    return clear.index(False) if False in clear else len(clear)


@pytest.mark.parametrize("name", EXPECTED)
def test_greedy_continuations_in_float32(name, record_property):
    expected = EXPECTED[name]["prompts"]
    steps = len(expected[0]["llama.cpp"]["ids"])
    answers = ask(name, float32=True, prompts=[prompt["ids"] for prompt in expected], steps=steps)
    compared = 0
    for prompt, answer in zip(expected, answers):
        for peer in ("llama.cpp", "transformers"):
            end = first_doubtful_step(answer, prompt[peer])
            assert answer["ids"][:end] == prompt[peer]["ids"][:end], peer
            compared += end
    record_property("compared", f"{name}: {compared} of {2 * steps * len(expected)} steps")
    # Were all margins small, nothing would have been compared.
    assert compared > steps * len(expected)


@pytest.mark.parametrize("name", EXPECTED)
def test_perplexity_of_the_quantised_file(name):
    expected = EXPECTED[name]
    answer = ask(name, float32=False, ids=expected["text_ids"], context=CONTEXT, bos=expected["bos"])
    assert answer["perplexity"] == pytest.approx(expected["perplexity_float32"], rel=0.001)
    # llama.cpp's own rounding takes nearly all of this: its two figures differ by 0.37 % (SmolLM2) and 0.49 % (Gemma).
    assert answer["perplexity"] == pytest.approx(expected["perplexity"], rel=0.005)

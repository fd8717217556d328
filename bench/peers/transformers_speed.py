"""PyTorch with transformers on a model's folder, in bfloat16: what bench/gpu/measure compares gpuinfer-server with. Prints one line of JSON.

    transformers_speed.py FOLDER --device cuda|cpu --tokens N --decode-prompt N --batches N ... --prompts N ...

Exit code 3, with the reason, where torch, transformers or (for cuda) a GPU is missing.
"""

import argparse
import json
import sys
import time

STARTED = time.monotonic()


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--device", choices=["cuda", "cpu"], required=True)
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--decode-prompt", type=int, required=True)
    parser.add_argument("--batches", type=int, nargs="+", required=True)
    parser.add_argument("--prompts", type=int, nargs="+", required=True)
    return parser.parse_args()


def missing(what):
    print(what)
    sys.exit(3)


options = parse()
try:
    import torch
    import transformers
except ImportError as error:
    missing(f"{sys.executable} has {error}")
if options.device == "cuda" and not torch.cuda.is_available():
    missing(f"torch {torch.__version__} of {sys.executable} sees no GPU")


def wait():
    if options.device == "cuda":
        torch.cuda.synchronize()


def seconds(function):
    wait()
    started = time.monotonic()
    function()
    wait()
    return time.monotonic() - started


def tokens(batch, count):
    return torch.randint(model.config.vocab_size, (batch, count), device=options.device)


def generate(prompt, count):
    model.generate(prompt, attention_mask=torch.ones_like(prompt), min_new_tokens=count, max_new_tokens=count, do_sample=False, pad_token_id=0)


def decode_rate(batch):
    """Tokens a second of all sequences, without the prompt and the first token."""
    prompt = tokens(batch, options.decode_prompt)
    generate(prompt, 4)
    first = seconds(lambda: generate(prompt, 1))
    return batch * (options.tokens - 1) / (seconds(lambda: generate(prompt, options.tokens)) - first)


def prompt_seconds(count):
    generate(tokens(1, count), 1)
    prompt = tokens(1, count)
    return seconds(lambda: generate(prompt, 1))


with torch.inference_mode():
    model = transformers.AutoModelForCausalLM.from_pretrained(options.folder, dtype=torch.bfloat16).to(options.device).eval()
    generate(tokens(1, options.decode_prompt), 1)
    wait()
    figures = {"start": time.monotonic() - STARTED}
    figures.update({f"decode {batch}": decode_rate(batch) for batch in options.batches})
    figures.update({f"prompt {count}": prompt_seconds(count) for count in options.prompts})
figures["versions"] = f"torch {torch.__version__}, transformers {transformers.__version__}"
print(json.dumps(figures))

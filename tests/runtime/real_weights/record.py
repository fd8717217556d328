"""What llama.cpp computes with the real weights that test_real_weights.py uses; run once, kept in testdata/expected.json.

python record.py BIN MODELS [TRANSFORMERS]

BIN      a folder with llama-server, llama-quantize and llama-perplexity (bench/peers/llama_cpp, with those targets)
MODELS   a folder with MODEL/FILE for each of the models below
TRANSFORMERS  a Python that has torch, transformers, accelerate and gguf: it continues the prompts too

- Token ids of the text and the prompts: llama-server's /tokenize.
- Greedy continuations in float32: llama-quantize --allow-requantize FILE f32.gguf F32; llama-server -m f32.gguf -c 2048 -fa off; POST /completion
  {"prompt": ids, "n_predict": 48, "temperature": 0, "n_probs": 2, "cache_prompt": false}; the margin is the difference of the two best log-probabilities.
- Perplexity of the file as it is, and of f32.gguf: llama-perplexity -m FILE -f testdata/alice.txt -c 512 -b 512 -t 1.
"""
import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
TEXT = HERE / "testdata" / "alice.txt"
STEPS = 48
MODELS = {
    "smollm2-135m": "SmolLM2-135M-Instruct.Q4_1.gguf",
    "gemma-3-270m": "gemma-3-270m-q4_k_m.gguf",
}
PROMPTS = [
    "The three primary colours are",
    "Once upon a time, in a small village by the sea, there lived",
    "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n",
    "Die Hauptstadt von Frankreich ist",
]


class Server:
    def __init__(self, binary, model, *flags):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen([binary, "-m", model, "--host", "127.0.0.1", "--port", str(port), "-t", "1", "-c", "2048", *flags],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        while True:
            try:
                if json.load(urllib.request.urlopen(self.url + "/health"))["status"] == "ok":
                    return self
            except OSError:
                assert self.process.poll() is None
            time.sleep(0.2)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def post(self, path, body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request))

    def tokenize(self, text):
        return self.post("/tokenize", {"content": text, "add_special": True, "parse_special": False})["tokens"]

    def continue_greedily(self, ids):
        answer = self.post("/completion", {"prompt": ids, "n_predict": STEPS, "temperature": 0, "n_probs": 2, "cache_prompt": False})
        steps = answer["completion_probabilities"]
        margins = [round(step["top_logprobs"][0]["logprob"] - step["top_logprobs"][1]["logprob"], 5) for step in steps]
        return {"ids": [step["id"] for step in steps], "margins": margins}


TRANSFORMERS_SCRIPT = """
import json, sys, torch, transformers
folder, file, prompts, steps = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
model = transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32, attn_implementation="eager").eval()
answers = []
for ids in prompts:
    with torch.no_grad():
        out = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), do_sample=False, max_new_tokens=steps,
                             return_dict_in_generate=True, output_logits=True)
    tops = [torch.topk(logits[0], 2).values for logits in out.logits]
    answer = {"ids": out.sequences[0, len(ids):].tolist(), "margins": [round(float(top[0] - top[1]), 5) for top in tops]}
    answers.append(answer)
json.dump({"transformers": transformers.__version__, "torch": torch.__version__, "prompts": answers}, sys.stdout)
"""


def perplexity(bin_folder, model):
    done = subprocess.run([f"{bin_folder}/llama-perplexity", "-m", model, "-f", TEXT, "-c", "512", "-b", "512", "-t", "1"],
                          check=True, capture_output=True, text=True)
    return float(re.search(r"Final estimate: PPL = ([0-9.]+)", done.stdout + done.stderr).group(1))


def record(bin_folder, path, python):
    expected = {}
    with Server(f"{bin_folder}/llama-server", path) as server:
        expected["text_ids"] = server.tokenize(TEXT.read_text())
        prompts = [server.tokenize(prompt) for prompt in PROMPTS]
        begins_with_bos = server.post("/tokenize", {"content": "", "add_special": True})["tokens"]
        expected["bos"] = begins_with_bos[0] if begins_with_bos else None
    with tempfile.TemporaryDirectory() as temporary:
        float32 = f"{temporary}/f32.gguf"
        subprocess.run([f"{bin_folder}/llama-quantize", "--allow-requantize", path, float32, "F32"], check=True, capture_output=True)
        expected["perplexity_float32"] = perplexity(bin_folder, float32)
        with Server(f"{bin_folder}/llama-server", float32, "-fa", "off") as server:
            expected["prompts"] = [{"ids": ids, "llama.cpp": server.continue_greedily(ids)} for ids in prompts]
    if python:
        done = subprocess.run([python, "-c", TRANSFORMERS_SCRIPT, path.parent, path.name, json.dumps(prompts), str(STEPS)],
                              check=True, capture_output=True, text=True)
        answers = json.loads(done.stdout[done.stdout.index("{"):])
        expected["transformers"] = {key: answers[key] for key in ("transformers", "torch")}
        for prompt, answer in zip(expected["prompts"], answers["prompts"]):
            prompt["transformers"] = answer
    expected["perplexity"] = perplexity(bin_folder, path)
    return expected


def main(bin_folder, models, python=None):
    version = subprocess.run([f"{bin_folder}/llama-server", "--version"], capture_output=True, text=True, check=True)
    expected = {"llama.cpp": (version.stdout + version.stderr).splitlines()[0], "models": {}}
    for name, file in MODELS.items():
        expected["models"][name] = {"file": file, **record(bin_folder, pathlib.Path(models) / name / file, python)}
    text = json.dumps(expected, indent=1)
    # Lists of numbers on one line each.
    text = re.sub(r"\[[-0-9.,\s]*\]", lambda found: re.sub(r"\s+", " ", found.group()), text)
    (HERE / "testdata" / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

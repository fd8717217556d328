"""The greedy output of the CPU backend against the reference backend's, token for token, through the server."""

import model_server

PROMPTS = ["What is machine learning?", "Write a haiku about the sea.", "List three prime numbers and explain why they are prime."]


def replies(folder, backend):
    folder.mkdir()
    with model_server.running(folder, "--backend", backend, "--max-model-len", "512") as server:
        answers = [server.chat(prompt, temperature=0, max_tokens=24) for prompt in PROMPTS]
        return [(answer.choices[0].message.content, answer.choices[0].finish_reason, answer.usage.completion_tokens) for answer in answers]


def test_greedy_output_equals_the_references(tmp_path):
    assert replies(tmp_path / "cpu", "cpu") == replies(tmp_path / "reference", "reference")

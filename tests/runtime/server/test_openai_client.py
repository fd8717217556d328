"""The `openai` package against gpuinfer-server on SmolLM2."""

import concurrent.futures
import os
import subprocess

import openai
import pytest

import model_server

QUESTION = "What is machine learning?"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with model_server.running(tmp_path_factory.mktemp("server")) as running:
        yield running


def streamed_text(stream):
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_models(server):
    assert [model.id for model in server.client.models.list()] == [model_server.MODEL]
    assert server.client.models.retrieve(model_server.MODEL).object == "model"


def test_chat_answers_the_question(server):
    reply = server.chat(QUESTION, temperature=0, max_tokens=60)
    assert "artificial intelligence" in reply.choices[0].message.content
    assert reply.choices[0].message.role == "assistant"
    assert reply.usage.completion_tokens == 60 and reply.choices[0].finish_reason == "length"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + 60


def test_a_stream_says_the_same(server):
    whole = server.chat(QUESTION, temperature=0, max_tokens=40)
    chunks = list(server.chat(QUESTION, temperature=0, max_tokens=40, stream=True, stream_options={"include_usage": True}))
    assert streamed_text(chunks) == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    assert chunks[-1].usage == whole.usage


def test_a_reply_ends_by_itself(server):
    reply = server.chat("Say only the word yes.", temperature=0, max_tokens=300)
    assert reply.choices[0].finish_reason == "stop"
    assert "<|im_end|>" not in reply.choices[0].message.content


def test_completions(server):
    completions = server.client.completions
    reply = completions.create(model=model_server.MODEL, prompt="The capital of France is", temperature=0, max_tokens=8)
    assert "Paris" in reply.choices[0].text
    stream = completions.create(model=model_server.MODEL, prompt="The capital of France is", temperature=0, max_tokens=8, stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == reply.choices[0].text
    assert completions.create(model=model_server.MODEL, prompt="One two").usage.completion_tokens == 16


def test_stop_strings(server):
    full = server.chat(QUESTION, temperature=0, max_tokens=40).choices[0].message.content
    stop = full[25:32]
    reply = server.chat(QUESTION, temperature=0, max_tokens=40, stop=["never said", stop])
    assert reply.choices[0].message.content == full[:full.index(stop)]
    assert reply.choices[0].finish_reason == "stop"
    assert streamed_text(server.chat(QUESTION, temperature=0, max_tokens=40, stop=stop, stream=True)) == full[:full.index(stop)]


def test_a_seed_decides(server):
    def say(seed):
        return server.chat("Tell me a story.", seed=seed, max_tokens=30).choices[0].message.content
    assert say(1) == say(1)
    assert len({say(1), say(2), say(3)}) > 1


def test_several_at_once_get_what_they_get_alone(server):
    prompts = [f"Write a line about the number {number}." for number in range(8)]

    def ask(prompt):
        return server.chat(prompt, temperature=0.8, seed=len(prompt), max_tokens=24).choices[0].message.content
    alone = [ask(prompt) for prompt in prompts]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, prompts)) == alone


def test_errors_are_the_clients_own_classes(server):
    with pytest.raises(openai.BadRequestError) as error:
        server.chat("Hello", temperature=5)
    assert error.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as error:
        server.chat("hello " * 9000)
    assert error.value.code == "context_length_exceeded" and "8192" in error.value.message
    with pytest.raises(openai.BadRequestError):
        server.chat("Hello", tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}], tool_choice="required")
    with pytest.raises(openai.NotFoundError):
        server.client.completions.create(model="another", prompt="Hello")
    with pytest.raises(openai.NotFoundError):
        server.client.embeddings.create(model=model_server.MODEL, input="Hello")


def test_a_user_cannot_write_special_tokens(server):
    spoofed = server.chat("<|im_end|>", max_tokens=1).usage.prompt_tokens
    plain = server.chat("", max_tokens=1).usage.prompt_tokens
    assert spoofed - plain > 1


def test_leaving_a_stream_frees_its_place(server):
    before = server.metric("vllm:request_success_total", 'finished_reason="abort"')
    stream = server.chat("Count to one thousand.", max_tokens=4000, stream=True, extra_body={"ignore_eos": True})
    next(iter(stream))
    server.wait_for_metric("vllm:num_requests_running", 1)
    stream.close()
    server.wait_for_metric("vllm:request_success_total", before + 1, 'finished_reason="abort"')
    server.wait_for_metric("vllm:num_requests_running", 0)
    server.wait_for_metric("vllm:kv_cache_usage_perc", 0)


def test_sigterm_drains(tmp_path):
    with model_server.running(tmp_path) as server:
        stream = server.chat("Tell me a long story.", max_tokens=100, stream=True, extra_body={"ignore_eos": True})
        chunks = [next(stream)]
        server.terminate()
        server.wait_for_log("draining")
        assert server.get("/ready")[0] == 503 and server.get("/health")[0] == 200
        with pytest.raises(openai.InternalServerError) as error:
            server.chat("Too late?")
        assert error.value.status_code == 503
        chunks += stream
        assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "length"
        assert server.process.wait() == 0


@pytest.mark.parametrize("flags, code, words", [
    (["--model", "/nowhere"], 1, "/nowhere"),
    (["--model", os.devnull], 1, os.devnull),
    (["--model", "MODEL", "--no-such-flag"], 2, "no-such-flag"),
    (["--model", "MODEL", "--port", "70000"], 2, "port"),
    (["--model", "MODEL", "--max-model-len", "9000"], 1, "9000"),
    (["--model", "MODEL", "--kv-cache-tokens", "64", "--max-model-len", "128"], 1, "--kv-cache-tokens"),
    (["--model", "MODEL", "--max-num-seqs", "9", "--max-num-batched-tokens", "8"], 1, "8 tokens"),
    ([], 2, "--model"),
])
def test_a_wrong_command_line(flags, code, words):
    command = [os.path.join(os.environ["GPUINFER_BIN"], "gpuinfer-server"), "--port", "0", "--host", "127.0.0.1"]
    flags = [str(model_server.model_folder()) if flag == "MODEL" else flag for flag in flags]
    result = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)
    assert result.returncode == code and words in result.stderr

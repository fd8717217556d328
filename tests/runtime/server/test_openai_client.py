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


def test_several_answers_to_one_prompt(server):
    reply = server.chat("Tell me a story.", n=3, seed=1, max_tokens=20)
    texts = [choice.message.content for choice in reply.choices]
    assert [choice.index for choice in reply.choices] == [0, 1, 2] and len(set(texts)) == 3
    assert [server.chat("Tell me a story.", seed=1 + index, max_tokens=20).choices[0].message.content for index in range(3)] == texts
    streamed = ["", "", ""]
    for chunk in server.chat("Tell me a story.", n=3, seed=1, max_tokens=20, stream=True):
        streamed[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert streamed == texts
    assert reply.usage.completion_tokens == 60


def test_logprobs(server):
    reply = server.chat(QUESTION, temperature=0, max_tokens=12, logprobs=True, top_logprobs=3)
    content = reply.choices[0].logprobs.content
    assert "".join(token.token for token in content) == reply.choices[0].message.content
    assert len(content) == 12
    for token in content:
        assert token.top_logprobs[0].token == token.token and token.top_logprobs[0].logprob == token.logprob <= 0
        assert [likely.logprob for likely in token.top_logprobs] == sorted((likely.logprob for likely in token.top_logprobs), reverse=True)
    streamed = []
    for chunk in server.chat(QUESTION, temperature=0, max_tokens=12, logprobs=True, top_logprobs=3, stream=True):
        if chunk.choices[0].logprobs:
            streamed += chunk.choices[0].logprobs.content
    assert streamed == content


def test_an_echoed_prompt_has_the_logprobs_that_generating_it_had(server):
    create = server.client.completions.create
    first = create(model=model_server.MODEL, prompt="The capital of France is", temperature=0, max_tokens=6, logprobs=1)
    text = "The capital of France is" + first.choices[0].text
    echoed = create(model=model_server.MODEL, prompt=text, temperature=0, max_tokens=1, logprobs=1, echo=True).choices[0]
    assert echoed.text.startswith(text) and echoed.logprobs.token_logprobs[0] is None
    begin = len(echoed.logprobs.tokens) - 1 - len(first.choices[0].logprobs.tokens)
    assert echoed.logprobs.tokens[begin:-1] == first.choices[0].logprobs.tokens
    assert echoed.logprobs.token_logprobs[begin:-1] == first.choices[0].logprobs.token_logprobs
    assert [text[offset:offset + 1] == token[:1] for token, offset in zip(echoed.logprobs.tokens[:-1], echoed.logprobs.text_offset)]


def test_token_ids_instead_of_text(server):
    create = server.client.completions.create
    text = create(model=model_server.MODEL, prompt="One two three", temperature=0, max_tokens=8, extra_body={"return_token_ids": True})
    ids = create(model=model_server.MODEL, prompt=text.choices[0].prompt_token_ids, temperature=0, max_tokens=8)
    assert ids.choices[0].text == text.choices[0].text and len(text.choices[0].token_ids) == 8


def test_penalties_and_biases(server):
    def distinct(penalty):
        reply = server.client.completions.create(model=model_server.MODEL, prompt="one, two, one, two,", temperature=0, max_tokens=24,
                                                 logprobs=0, frequency_penalty=penalty)
        return len(set(reply.choices[0].logprobs.tokens))
    assert distinct(2) > distinct(-2)
    only = server.chat("Hello", max_tokens=5, logit_bias={"28": 100}, temperature=0, logprobs=True).choices[0].logprobs.content
    assert len({token.token for token in only}) == 1


def test_the_prefix_cache_changes_nothing_but_the_usage(server):
    question = "Here is a long beginning that is the same each time. " * 8 + "What is it?"
    first, second = (server.chat(question, temperature=0, max_tokens=24) for _ in range(2))
    assert first.choices[0].message.content == second.choices[0].message.content
    cached = second.usage.prompt_tokens_details.cached_tokens
    assert 0 < cached < second.usage.prompt_tokens and cached % 16 == 0
    salted = server.chat(question, temperature=0, max_tokens=24, extra_body={"cache_salt": "mine"})
    assert salted.usage.prompt_tokens_details.cached_tokens == 0
    assert salted.choices[0].message.content == first.choices[0].message.content


def test_embeddings(server):
    texts = ["The cat sat on the mat.", "A cat was sitting on a mat.", "Interest rates rose by a quarter point."]
    vectors = [item.embedding for item in server.client.embeddings.create(model=model_server.MODEL, input=texts).data]  # base64
    plain = server.client.embeddings.create(model=model_server.MODEL, input=texts, encoding_format="float")
    assert [item.embedding for item in plain.data] == [pytest.approx(vector) for vector in vectors]

    def similarity(a, b):
        return sum(x * y for x, y in zip(a, b))
    assert similarity(vectors[0], vectors[0]) == pytest.approx(1)
    assert similarity(vectors[0], vectors[1]) > similarity(vectors[0], vectors[2])
    assert plain.usage.prompt_tokens == plain.usage.total_tokens > 0


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
        server.client.embeddings.create(model="another", input="Hello")
    with pytest.raises(openai.BadRequestError) as error:
        server.chat("Hello", response_format={"type": "json_object"})
    assert error.value.param == "response_format" and error.value.code == "unsupported_parameter"
    with pytest.raises(openai.APIStatusError) as error:
        server.chat("Count to one thousand.", extra_body={"timeout": 0.01, "ignore_eos": True}, max_tokens=4000)
    assert error.value.status_code == 504 and error.value.code == "deadline_exceeded"


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

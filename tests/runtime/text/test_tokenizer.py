"""The tokenizer against Hugging Face's `tokenizers`, on SmolLM2's vocabulary."""

import random

import pytest
import tokenizers

import corpus
import gguf_tokenizer
import text_tool


@pytest.fixture(scope="module")
def oracle():
    return gguf_tokenizer.smollm2(gguf_tokenizer.read_metadata(text_tool.smollm2_gguf()))


@pytest.fixture(scope="module")
def tokenizer_json(oracle, tmp_path_factory):
    path = tmp_path_factory.mktemp("smollm2") / "tokenizer.json"
    oracle.save(str(path))
    return str(path)


@pytest.fixture(scope="module")
def lines():
    lines = corpus.lines()
    assert len(lines) >= 10_000
    return lines


def assert_same(lines, ours, theirs):
    different = [(line[:100], a[:20], b[:20]) for line, a, b in zip(lines, ours, theirs) if a != b]
    assert not different, f"{len(different)} of {len(lines)} lines differ, the first: {different[:3]}"


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("layout", ["tokenizer.json", "gguf"])
def test_same_ids(oracle, tokenizer_json, lines, layout, special):
    """From either file, with special tokens recognised (a template's text) and not (a user's text)."""
    model = tokenizer_json if layout == "tokenizer.json" else str(text_tool.smollm2_gguf())
    ours = text_tool.run("encode", model, inputs=[{"text": line, "special": special} for line in lines])
    oracle.encode_special_tokens = not special
    theirs = [encoding.ids for encoding in oracle.encode_batch(lines, add_special_tokens=False)]
    assert_same(lines, ours, theirs)


def test_decoding_gives_the_text_back(oracle, tokenizer_json, lines):
    oracle.encode_special_tokens = True
    ids = [encoding.ids for encoding in oracle.encode_batch(lines, add_special_tokens=False)]
    answers = text_tool.run("decode", tokenizer_json, inputs=ids)
    assert_same(lines, [answer["text"] for answer in answers], oracle.decode_batch(ids, skip_special_tokens=False))
    # SmolLM2 has no token for 21 bytes, of which six are characters (control codes) and two begin characters (of planes 4 to 11).
    missing = set("\x04\x06\x13\x14\x16\x1d")
    complete = [(line, answer["text"]) for line, answer in zip(lines, answers) if not missing & set(line) and max(line, default="") < "\U00040000"]
    assert len(complete) > 9_000
    assert all(line == text for line, text in complete)
    # What a stream shows adds up to the whole.
    assert all("".join(answer["pieces"]) == answer["text"] for answer in answers)


def test_decoding_arbitrary_ids(oracle, tokenizer_json):
    """Tokens in an order that no text makes: broken characters become U+FFFD in the same places."""
    rng = random.Random(7)
    ids = [[rng.randrange(oracle.get_vocab_size()) for _ in range(rng.randrange(30))] for _ in range(3_000)]
    ids += [[rng.choice(range(17, 260)) for _ in range(rng.randrange(12))] for _ in range(3_000)]  # single bytes
    answers = text_tool.run("decode", tokenizer_json, inputs=ids)
    assert_same(list(map(str, ids)), [answer["text"] for answer in answers], oracle.decode_batch(ids, skip_special_tokens=False))
    assert all("".join(answer["pieces"]) == answer["text"] for answer in answers)


PATTERNS = {
    "llama3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}


@pytest.mark.parametrize("ignore_merges", [False, True])
@pytest.mark.parametrize("name", PATTERNS)
def test_other_split_patterns(oracle, lines, tmp_path, name, ignore_merges):
    """SmolLM2's vocabulary cut as other families cut their texts: the same ids only where the pieces are the same."""
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(PATTERNS[name]), "isolated")
    byte_level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    other = tokenizers.Tokenizer.from_str(oracle.to_str())
    other.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([split, byte_level])
    other.model.ignore_merges = ignore_merges
    other.encode_special_tokens = True
    path = tmp_path / "tokenizer.json"
    other.save(str(path))
    lines = lines[::3]
    ours = text_tool.run("encode", str(path), inputs=[{"text": line} for line in lines])
    theirs = [encoding.ids for encoding in other.encode_batch(lines, add_special_tokens=False)]
    assert_same(lines, ours, theirs)

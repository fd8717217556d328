"""The tokenizer against Hugging Face's `tokenizers`, on real vocabularies and on small ones that are trained here."""

import functools
import json
import random
import unicodedata

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import corpus
import gguf_tokenizer
import packages
import text_tool

NAMES = ["smollm2", "gptoss", "qwen3", "gemma3"]
NFC = normalizers.NFC()


@functools.cache
def lines():
    return corpus.lines(4_000)


def nfc(text):
    return unicodedata.normalize("NFC", text)


@functools.cache
def texts():
    return [corpus.mixed_text(), *lines(), *corpus.random_strings()]


@functools.cache
def oracle(name):
    if name == "smollm2":
        return gguf_tokenizer.smollm2(gguf_tokenizer.read_metadata(text_tool.smollm2_gguf()))
    return Tokenizer.from_file(str(packages.tokenizer_folder(name) / "tokenizer.json"))


@functools.cache
def expected_ids(name):
    """What the oracle makes of texts(). `tokenizers` knows no marks later than Unicode 9: where that matters, its text is normalized by Python."""
    given = texts()
    if name == "qwen3":
        given = [text if NFC.normalize_str(text) == nfc(text) else nfc(text) for text in given]
    oracle(name).encode_special_tokens = True
    return ids_of(oracle(name), given)


def ids_of(tokenizer, inputs):
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(inputs, add_special_tokens=False)]


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """The tokenizer.json of a name."""

    @functools.cache
    def path(name):
        if name != "smollm2":
            return str(packages.tokenizer_folder(name) / "tokenizer.json")
        written = tmp_path_factory.mktemp(name) / "tokenizer.json"
        oracle(name).save(str(written))
        return str(written)

    return path


def encode(model, inputs, special=False):
    return text_tool.run("encode", str(model), inputs=[{"text": text, "special": special} for text in inputs])


def assert_same(inputs, ours, theirs):
    different = [(text[:100], a[:20], b[:20]) for text, a, b in zip(inputs, ours, theirs) if a != b]
    assert not different, f"{len(different)} of {len(inputs)} texts differ, the first: {different[:3]}"


def decoded(name, text):
    """What decoding gives back; nothing where SmolLM2 has no token for some of the text's bytes."""
    if name == "smollm2" and (set("\x04\x06\x13\x14\x16\x1d") & set(text) or max(text, default="") >= "\U00040000"):
        return None  # 21 bytes, of which six are characters and two begin characters of planes 4 to 11
    return {"qwen3": nfc(text), "gemma3": text.replace("\u2581", " ")}.get(name, text)


@pytest.mark.parametrize("name", NAMES)
def test_a_users_text_and_back(model_file, name):
    """The same ids, and decoding them gives the text, whole or as a stream."""
    answers = text_tool.run("both", model_file(name), inputs=[{"text": text} for text in texts()])
    assert_same(texts(), [answer["ids"] for answer in answers], expected_ids(name))
    expected = [(decoded(name, text), answer) for text, answer in zip(texts(), answers)]
    assert all(text in (None, answer["text"]) for text, answer in expected)
    assert all(answer["text"] == answer["stream"] for answer in answers)
    assert sum(text is not None for text, _ in expected) > 0.85 * len(expected)


@pytest.mark.parametrize("name", NAMES)
def test_same_ids_in_a_templates_text(model_file, name):
    """Where special tokens are recognised."""
    special = [token.content for token in oracle(name).get_added_tokens_decoder().values()]
    rng = random.Random(9)
    words = " ".join(corpus.SENTENCES).split()
    inputs = ["".join(rng.choice([rng.choice(special), rng.choice(words), " ", "\n"]) for _ in range(12)) for _ in range(5_000)]
    oracle(name).encode_special_tokens = False
    theirs = ids_of(oracle(name), list(map(nfc, inputs)))
    assert_same(inputs, encode(model_file(name), inputs, special=True), theirs)


@pytest.mark.parametrize("name", ["smollm2", "gptoss"])
def test_decoding_arbitrary_ids(model_file, name):
    """Tokens in an order that no text makes: broken characters become U+FFFD in the same places."""
    rng = random.Random(7)
    ids = [[rng.randrange(oracle(name).get_vocab_size()) for _ in range(rng.randrange(30))] for _ in range(3_000)]
    ids += [[rng.randrange(260) for _ in range(rng.randrange(12))] for _ in range(3_000)]  # single bytes
    answers = text_tool.run("decode", model_file(name), inputs=ids)
    assert_same(list(map(str, ids)), [answer["text"] for answer in answers], oracle(name).decode_batch(ids, skip_special_tokens=False))
    assert all("".join(answer["pieces"]) == answer["text"] for answer in answers)


def test_smollm2_from_gguf():
    few = texts()[:20_000]
    assert_same(few, encode(text_tool.smollm2_gguf(), few), expected_ids("smollm2"))
    oracle("smollm2").encode_special_tokens = False
    assert_same(lines(), encode(text_tool.smollm2_gguf(), lines(), special=True), ids_of(oracle("smollm2"), lines()))


def test_gemma3_from_gguf():
    """Its merges come from the scores; its runs of spaces are added tokens there, and U+2581 in a text stays what it is."""
    given, theirs = zip(*((text, ids) for text, ids in zip(texts()[:20_000], expected_ids("gemma3")) if "\u2581" not in text))
    assert_same(given, encode(packages.gemma_gguf(), given), theirs)


PATTERNS = {
    "llama3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "tekken": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "regex": r"\p{Han}+|\p{L}+'?|\d{1,2}|\s",
}


def check_variant(tokenizer, inputs, folder, decode=True):
    """The tokenizer's own file gives the same ids and texts."""
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    theirs = ids_of(tokenizer, inputs)
    assert_same(inputs, encode(path, inputs), theirs)
    if decode:
        answers = text_tool.run("decode", str(path), inputs=theirs)
        assert_same(inputs, [answer["text"] for answer in answers], tokenizer.decode_batch(theirs, skip_special_tokens=False))


@pytest.mark.parametrize("ignore_merges", [False, True])
@pytest.mark.parametrize("name", PATTERNS)
def test_other_split_patterns(tmp_path, name, ignore_merges):
    """SmolLM2's vocabulary cut as other families cut their texts: the same ids only where the pieces are the same."""
    split = pre_tokenizers.Split(Regex(PATTERNS[name]), "isolated")
    other = Tokenizer.from_str(oracle("smollm2").to_str())
    other.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    other.model.ignore_merges = ignore_merges
    other.encode_special_tokens = True
    check_variant(other, lines()[::2], tmp_path)


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("behavior", ["isolated", "removed", "merged_with_previous", "merged_with_next"])
def test_split_behaviors(tmp_path, behavior, invert):
    other = Tokenizer.from_str(oracle("smollm2").to_str())
    split = pre_tokenizers.Split(Regex(r"\p{P}|\s+"), behavior, invert)
    other.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    other.encode_special_tokens = True
    check_variant(other, lines()[::8], tmp_path)


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_normal_forms(tmp_path, form):
    other = Tokenizer.from_str(oracle("smollm2").to_str())
    other.normalizer = getattr(normalizers, form)()
    other.encode_special_tokens = True
    inputs = [line for line in lines()[::2] if other.normalizer.normalize_str(line) == unicodedata.normalize(form, line)]
    assert len(inputs) > 1_500
    check_variant(other, inputs, tmp_path)


def train(model, trainer, pre_tokenizer=None, normalizer=None, decoder=None):
    tokenizer = Tokenizer(model)
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder
    tokenizer.train_from_iterator(corpus.SENTENCES, trainer)
    return tokenizer


BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
SPACES_BACK = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]


def bpe_like_llama2(byte_fallback):
    """Trained on words, then used without cutting the text, as SentencePiece does."""
    special = ["<unk>", "<s>", "</s>", *(BYTES if byte_fallback else [])]
    trainer = trainers.BpeTrainer(vocab_size=3_000, special_tokens=special, show_progress=False)
    model = models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=byte_fallback)
    tokenizer = train(model, trainer, pre_tokenizers.Metaspace(), decoder=decoders.Sequence([*SPACES_BACK, decoders.Strip(" ", 1, 0)]))
    tokenizer.pre_tokenizer = None
    return tokenizer


def as_file(tokenizer, added=("<unk>", "<s>", "</s>"), **parts):
    """The tokenizer with other parts and with no more added tokens than these."""
    value = json.loads(tokenizer.to_str())
    value["added_tokens"] = [token for token in value["added_tokens"] if token["content"] in added]
    value.update(parts)
    other = Tokenizer.from_str(json.dumps(value))
    other.encode_special_tokens = True
    return other


@pytest.mark.parametrize("byte_fallback", [False, True])
@pytest.mark.parametrize("prepend", ["normalizer", "always", "first", "never"])
def test_llama2s_kind(tmp_path, byte_fallback, prepend):
    if prepend == "normalizer":
        steps = [{"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]
        parts = {"normalizer": {"type": "Sequence", "normalizers": steps}}
    else:
        parts = {"pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": prepend, "split": prepend == "always"}}
    inputs = [line for line in lines()[::2] if line]
    # Broken characters are the one thing that is decoded differently: one U+FFFD for each byte there; texts have none.
    check_variant(as_file(bpe_like_llama2(byte_fallback), **parts), inputs, tmp_path)


@pytest.mark.parametrize("byte_fallback", [False, True])
def test_unigram(tmp_path, byte_fallback):
    special = ["<unk>", "<s>", "</s>", *(BYTES if byte_fallback else [])]
    trainer = trainers.UnigramTrainer(vocab_size=2_000, special_tokens=special, unk_token="<unk>", show_progress=False)
    metaspace = pre_tokenizers.Metaspace()
    decoder = decoders.Sequence([*SPACES_BACK, decoders.Strip(" ", 1, 0)])
    tokenizer = as_file(train(models.Unigram(), trainer, metaspace, normalizers.NFKC(), decoder))
    model = {**json.loads(tokenizer.to_str())["model"], "byte_fallback": byte_fallback}
    tokenizer = as_file(tokenizer, model=model)
    inputs = [line for line in lines()[::4] if tokenizer.normalizer.normalize_str(line) == unicodedata.normalize("NFKC", line)]
    check_variant(tokenizer, inputs, tmp_path)


def test_prefix_space(tmp_path):
    """GPT-2's kind with add_prefix_space."""
    other = Tokenizer.from_str(oracle("smollm2").to_str())
    other.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)
    other.encode_special_tokens = True
    check_variant(other, [line for line in lines()[::4] if line], tmp_path, decode=False)

"""The tokenizer that a GGUF file carries, as a tokenizer.json that Hugging Face's `tokenizers` and gpuinfer both read."""

import struct

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9
CONTROL = 3  # tokenizer.ggml.token_type of special tokens


def read_metadata(path):
    """All key-value pairs of the file's header (ggml docs/gguf.md)."""
    with open(path, "rb") as file:

        def scalar(format):
            return struct.unpack(format, file.read(struct.calcsize(format)))[0]

        def value(kind):
            if kind == STRING:
                return file.read(scalar("<Q")).decode()
            if kind == ARRAY:
                item_kind, count = scalar("<I"), scalar("<Q")
                return [value(item_kind) for _ in range(count)]
            return scalar(SCALARS[kind])

        assert file.read(4) == b"GGUF"
        scalar("<I")  # version
        scalar("<Q")  # tensors
        return {value(STRING): value(scalar("<I")) for _ in range(scalar("<Q"))}


def smollm2(metadata):
    """SmolLM2's tokenizer as its tokenizer.json on Hugging Face describes it, from the vocabulary and merges of the GGUF file."""
    tokens = metadata["tokenizer.ggml.tokens"]
    vocab = {token: id for id, token in enumerate(tokens)}
    merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = metadata["tokenizer.ggml.token_type"]
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, k in zip(tokens, kinds) if k == CONTROL])
    return tokenizer

"""Lines of text in many scripts and many kinds of trouble, the same ones on every run."""

import pathlib
import random
import unicodedata

SENTENCES = (pathlib.Path(__file__).parent / "testdata" / "sentences.txt").read_text("utf-8").splitlines()
SPACES = " \t\n\r\v\f\u00a0\u0085\u1680\u180e\u2000\u2003\u2009\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"
EMOJI = ["👩‍💻", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🇺🇳🇯🇵", "👍🏽", "1️⃣", "#️⃣", "❤️‍🔥", "🧑🏿‍🚀", "☃︎", "☃️", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "😀", "🫠"]
SUFFIXES = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'ſ", "’s", "'", "''", "'x"]
SPECIAL_LOOKALIKES = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_", "|>", "<repo_name>", "<|im_start|>system\n", "<<|im_end|>>"]


def characters_by_category():
    """All assigned characters (Python 3.11 and PCRE2 10.42 both know Unicode 14), without surrogates and private use."""
    table = {}
    for code_point in range(0x110000):
        category = unicodedata.category(chr(code_point))
        if category not in ("Cn", "Cs", "Co"):
            table.setdefault(category, []).append(chr(code_point))
    return table


def lines(count=12_000):
    """`count` strings; a few contain newlines."""
    rng = random.Random(20_240)
    categories = characters_by_category()
    names = sorted(categories)
    everything = [character for name in names for character in categories[name]]
    numbers = categories["Nd"] + categories["Nl"] + categories["No"]
    words = [word for sentence in SENTENCES for word in sentence.split()]

    def sentence():
        return rng.choice(SENTENCES)

    def cut_sentence():
        text = sentence()
        begin, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        return text[begin:end]

    def mixed_words():
        return "".join(rng.choice(words) + rng.choice([" ", "  ", ", ", "\n", "", "\r\n", "\t", ". ", "-"]) for _ in range(rng.randrange(1, 30)))

    def changed_case():
        return getattr(sentence(), rng.choice(["upper", "lower", "title", "swapcase"]))()

    def decomposed():
        return unicodedata.normalize(rng.choice(["NFD", "NFKD", "NFC", "NFKC"]), sentence())

    def stacked_marks():
        return "".join(c + "".join(rng.choices(categories["Mn"], k=rng.randrange(6))) for c in cut_sentence()[:40])

    def white_space():
        return "".join(rng.choice(words)[: rng.randrange(4)] + "".join(rng.choices(SPACES, k=rng.randrange(8))) for _ in range(12))

    def emoji():
        return "".join(rng.choice(EMOJI) + rng.choice(["", "", " ", "a", "\u200d", "\ufe0f"]) for _ in range(rng.randrange(1, 12)))

    def digits():
        return "".join(rng.choice([str(rng.randrange(10**9)), rng.choice(numbers), " ", ",", ".", "-", "a"]) for _ in range(20))

    def contractions():
        return "".join(rng.choice(words)[:6] + rng.choice(SUFFIXES) + rng.choice(["", " ", "s"]) for _ in range(10))

    def one_block():
        start = rng.randrange(0, 0x2FA00, 128)
        block = [c for c in map(chr, range(start, start + 128)) if unicodedata.category(c) not in ("Cn", "Cs", "Co")]
        return "".join(rng.choices(block or ["x"], k=rng.randrange(1, 60)))

    def any_character():
        return "".join(rng.choices(everything, k=rng.randrange(1, 40)))

    def any_category():
        return "".join(rng.choice(categories[rng.choice(names)]) for _ in range(rng.randrange(1, 40)))

    def ascii_noise():
        return "".join(chr(rng.randrange(0x20, 0x7F)) for _ in range(rng.randrange(1, 120)))

    def long_word():
        seed = rng.choice(words)
        return (seed * (rng.randrange(60, 4_000) // len(seed) + 1)) if rng.random() < 0.1 else seed * rng.randrange(1, 20)

    def special_lookalike():
        return "".join(rng.choice([rng.choice(SPECIAL_LOOKALIKES), rng.choice(words), " "]) for _ in range(8))

    makers = [value for value in locals().values() if callable(value)]
    fixed = ["", " ", "\n", "\r\n", "a" * 50_000, "ab" * 10_000, " " * 20_000, "\n" * 5_000, "é" * 5_000, "日本語" * 2_000, "0" * 5_000]
    return fixed + [makers[i % len(makers)]() for i in range(count - len(fixed))]


def random_strings(count=100_000):
    """Short strings of assigned characters of every category, half of them with ordinary text in between."""
    rng = random.Random(51)
    categories = characters_by_category()
    names = sorted(categories)
    words = [word for sentence in SENTENCES for word in sentence.split()]

    def character():
        return rng.choice(categories[rng.choice(names)])

    def piece():
        kind = rng.randrange(4)
        return rng.choice(words)[:8] if kind == 0 else rng.choice(SPACES) if kind == 1 else character()

    return ["".join((piece if i % 2 else character)() for _ in range(rng.randrange(1, 14))) for i in range(count)]


def mixed_text(size=1_000_000):
    """About `size` bytes of C++, Python, markdown and sentences in forty languages, mixed in blocks.

    Without "<mask>": an added token in Gemma's tokenizer.json, and a token like any other in its GGUF.
    """
    repository = pathlib.Path(__file__).resolve().parents[3]
    sources = [*repository.glob("runtime/**/*.?pp"), *repository.glob("tests/**/*.py"), *repository.glob("docs/*.md")]
    blocks = [path.read_text("utf-8") for path in sorted(sources)] + ["\n".join(SENTENCES)] * 10
    random.Random(3).shuffle(blocks)
    text = "".join(blocks).replace("<mask>", "<word>")
    return (text * (size // len(text.encode()) + 1)).encode()[:size].decode("utf-8", "ignore")

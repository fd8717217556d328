"""Chat templates against Jinja, with the environment that transformers gives it."""

import json
import pathlib
import random
import time

import jinja2
import jinja2.ext
import jinja2.sandbox
import pytest

import gguf_tokenizer
import packages
import text_tool

TEMPLATES = sorted((pathlib.Path(__file__).parent / "testdata" / "templates").glob("*.jinja"))
SPECIAL_TOKENS = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
NOW = 1_732_000_000


class Raised(Exception):
    pass


def render_with_jinja(source, variables):
    """As transformers/utils/chat_template_utils.py does it."""

    def raise_exception(message):
        raise Raised(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda format: time.strftime(format, time.localtime(NOW))
    return environment.from_string(source).render(**SPECIAL_TOKENS, **variables)


def render_with_ours(cases):
    inputs = [{"template": source, "special_tokens": SPECIAL_TOKENS, "variables": variables, "now": NOW} for source, variables in cases]
    return text_tool.run("render", inputs=inputs)


def chat(*turns, **variables):
    messages = [turn if isinstance(turn, dict) else {"role": turn[0], "content": turn[1]} for turn in turns]
    return {"messages": messages, "add_generation_prompt": True, **variables}


TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Wetter für einen Ort: \"heute\" & <morgen> \u2028 \x07",
        "parameters": {"type": "object", "properties": {"ort": {"type": "string"}, "tage": {"type": "integer", "default": 1.0}}, "required": []},
    },
}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": {"name": "search", "arguments": {"q": "日本", "n": "3"}}}]}
CONVERSATIONS = {
    "one question": chat(("user", "What is machine learning?")),
    "a system prompt": chat(("system", "  Be brief.\n"), ("user", "Hi"), ("assistant", "Hello!"), ("user", " And now? \u3000")),
    "no generation prompt": {**chat(("user", "a"), ("assistant", "b")), "add_generation_prompt": False},
    "many scripts": chat(("user", "Grüße 日本語 🎉👩‍💻 \r\n\ttab"), ("assistant", "<|im_end|>"), ("user", "{{ 7 * 7 }} {% if %}")),
    "empty texts": chat(("user", ""), ("assistant", "")),
    "wrong order": chat(("assistant", "I first"), ("assistant", "I again")),
    "tools": chat(("system", "s"), ("user", "u"), CALL, {"role": "tool", "content": "42"}, {"role": "ipython", "content": {"t": [1, 2.5, None, True]}}, tools=[TOOL]),
    "built-in tools": chat(("user", "u"), CALL, builtin_tools=["search", "code_interpreter", "wolfram"], date_string="1 Jan 2025"),
    "two calls at once": chat(("user", "u"), {**CALL, "tool_calls": CALL["tool_calls"] * 2}),
    "no messages": chat(),
}


# Where we refuse and Jinja does not: sequences times numbers, "..." % values, iterating over what nobody looks at, slices that Jinja folds.
OURS_ONLY = ["'*' of a", "'%' of a", "has no items", "items of a", "a slice of a", "the function 'not'", "a tuple is not"]
# Where Jinja refuses or prints an address: its select, reject and items are generators, methods are attributes, only keys are sought in dicts.
JINJA_ONLY = ["generator", " at 0x", "unhashable"]


def assert_same(source, variables, ours):
    if any(reason in ours.get("error", "") for reason in OURS_ONLY):
        return
    try:
        theirs = render_with_jinja(source, variables)
    except Raised as raised:
        assert str(raised) in ours.get("error", ""), (source, ours)
    except (jinja2.TemplateError, TypeError, ZeroDivisionError) as error:
        assert "error" in ours or any(reason in str(error) for reason in JINJA_ONLY), (source, error, ours)
    else:
        assert ours.get("text") == theirs or any(reason in theirs for reason in JINJA_ONLY), (source, variables, ours)


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_templates_of_models(conversation):
    variables = CONVERSATIONS[conversation]
    smollm2 = gguf_tokenizer.read_metadata(text_tool.smollm2_gguf())["tokenizer.chat_template"]
    real = [json.loads((packages.tokenizer_folder(name) / "tokenizer_config.json").read_text("utf-8"))["chat_template"] for name in ("qwen3", "gemma3")]
    sources = [smollm2, *real, *(path.read_text("utf-8") for path in TEMPLATES)]
    for source, ours in zip(sources, render_with_ours([(source, variables) for source in sources])):
        assert_same(source, variables, ours)


# ---- random templates from the supported part of the language

VARIABLES = {
    "messages": [{"role": "user", "content": " 日本 <&> 'x' \n", "n": 3}, {"role": "tool", "content": None, "tags": ["a", "b"]}],
    "add_generation_prompt": True,
    "nothing": None,
    "empty": [],
    "word": "aB日\t",
    "number": 7,
    "real": 0.1,
    "table": {"b": 1, "a": [1.5, "x", {"k": None}], "語": "\"'\\"},
}
NAMES = ["messages", "add_generation_prompt", "nothing", "empty", "word", "number", "real", "table", "missing", "bos_token", "item", "loop.index", "loop.first"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "sequence", "iterable", "true", "false"]
FILTERS = ["trim", "upper", "lower", "length", "default('d')", "default('d', true)", "join(', ')", "join", "tojson", "tojson(indent=2)", "string", "items | list | length",
           "first", "last", "select | list", "reject('equalto', 1) | list", "select('string') | list", "list", "count", "d(1)"]
KEYS = [".role", ".content", ".n", "['content']", "[0]", "[-1]", "[5]", ".tags", ".a", "['b']", "[1:]", "[:1]", "[-2:]", "[0:-1]", "[number]"]


class Generator:
    def __init__(self, seed):
        self.rng = random.Random(seed)

    def expression(self, depth=3):
        rng = self.rng
        if depth == 0 or rng.random() < 0.25:
            return rng.choice([rng.choice(NAMES), rng.choice(NAMES), repr(rng.choice([0, 1, -2, 7, "x", "語\n", "", "User"])), "true", "none", "1.5"])
        inner = lambda: self.expression(depth - 1)
        return rng.choice([
            lambda: f"{inner()} {rng.choice(['+', '-', '*', '//', '~', '~', '+'])} {inner()}",
            lambda: f"{inner()} % {rng.choice([2, 3, -4])}",
            lambda: f"{inner()} {rng.choice(['==', '!=', '<', '<=', '>', '>=', 'in', 'not in', 'and', 'or'])} {inner()}",
            lambda: f"not {inner()}",
            lambda: f"-{inner()}",
            lambda: f"({inner()})",
            lambda: f"{rng.choice(NAMES)}{rng.choice(KEYS)}",
            lambda: f"({inner()}){rng.choice(KEYS)}",
            lambda: f"{inner()} | {rng.choice(FILTERS)}",
            lambda: f"{inner()} is {rng.choice(['', 'not '])}{rng.choice(TESTS)}",
            lambda: f"{inner()} if {inner()} else {inner()}",
            lambda: f"[{inner()}, {inner()}]",
            lambda: f"{{'k': {inner()}, 'b': {inner()}}}",
        ])()

    def tag(self, kind, content):
        opening = self.rng.choice(["", "", "-"]) if kind == "{" else self.rng.choice(["", "", "-", "+"])
        closing = self.rng.choice(["", "", "-"]) if kind == "{" else self.rng.choice(["", "", "-", "+"])
        return "{" + kind + opening + " " + content + " " + closing + ("}" if kind == "{" else kind) + "}"

    def text(self):
        return "".join(self.rng.choice(["x", " ", "\n", "\t", "  ", "\r\n", "{", "}", "é"]) for _ in range(self.rng.randrange(6)))

    def block(self, depth=2):
        return "".join(self.text() + self.statement(depth) for _ in range(self.rng.randrange(1, 4))) + self.text()

    def statement(self, depth):
        rng = self.rng
        inner = lambda: self.block(depth - 1)
        simple = [
            lambda: self.tag("{", self.expression()),
            lambda: self.tag("{", self.expression()),
            lambda: self.tag("%", f"set {rng.choice(['item', 'word', 'fresh'])} = {self.expression()}"),
            lambda: self.tag("#", "comment"),
        ]
        nested = [
            lambda: self.tag("%", f"if {self.expression()}") + inner() + self.tag("%", f"elif {self.expression()}") + inner() + self.tag("%", "else") + inner() + self.tag("%", "endif"),
            lambda: self.tag("%", f"for item in {rng.choice(['messages', 'table', 'word', 'empty', self.expression(2)])}") + inner()
            + rng.choice([lambda: "", lambda: self.tag("%", "else") + inner()])() + self.tag("%", "endfor"),
            lambda: self.tag("%", f"for item in messages if {self.expression(2)}") + inner() + self.tag("%", "endfor"),
            lambda: self.tag("%", "for item, fresh in table | items") + inner() + self.tag("%", "endfor"),
        ]
        return rng.choice(simple + (nested if depth else []))()


def test_random_templates():
    generator = Generator(2024)
    sources = [generator.block() for _ in range(3_000)] + [generator.tag("{", generator.expression(4)) for _ in range(9_000)]
    rendered = 0
    for source, ours in zip(sources, render_with_ours([(source, VARIABLES) for source in sources])):
        assert_same(source, VARIABLES, ours)
        rendered += "text" in ours
    assert rendered > 3_000


SNIPPETS = [
    "{% macro f(a, b='x', c=a) %}[{{ a }}|{{ b }}|{{ c }}]{% endmacro %}{{ f(1) }}{{ f(1, 2, 3) }}{{ f(b=5, a=4) }}{{ f() }}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %},{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "{% macro f() %}{{ word }}{{ inner is defined }}{% endmacro %}{% for inner in [1] %}{{ f() }}{% endfor %}",
    "{% macro f() -%} {% set word = 'local' %}{{ word }} {%- endmacro %}{{ f() }}{{ word }}{{ f() | upper ~ f().strip() }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(z=2) }}",
    "{% set ns = namespace(found=false, n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% if m.role == 'user' %}{% set ns.found = true %}{% endif %}{% endfor %}"
    "{{ ns.n }}{{ ns.found }}{{ ns.missing is defined }}{{ ns.missing }}{{ 1 if ns }}",
    "{% set word.a = 1 %}",
    "{% set fresh %}a{{ word }}b{% for i in [1, 2] %}{{ i }}{% endfor %}{% endset %}{{ fresh }}{{ fresh | length }}",
    "{% for m in messages[::-1] %}{{ loop.index0 }}{{ m.role }}{% endfor %}",
    "{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined }}>{{ m.role }}>{{ loop.nextitem.role if loop.nextitem is defined }};{% endfor %}",
    *(f"{{{{ word[{begin}:{end}:{step}] }}}}|{{{{ [1, 2, 3, 4, 5][{begin}:{end}:{step}] }}}}"
      for begin in ("", "1", "-2", "9", "-9") for end in ("", "3", "-1", "9", "-9") for step in ("1", "2", "-1", "-3", "7")),
    "{{ ' a b '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ '日日a日'.lstrip('日') }}|{{ 'a\n\n'.rstrip('\n') }}|{{ '\u3000a '.lstrip() }}",
    "{{ '<think>a</think>b'.split('</think>')[-1].lstrip('\n') }}|{{ ' a  b\tc '.split() }}|{{ 'a,b,c'.split(',', 1) }}|{{ ''.split() }}|{{ ''.split(',') }}",
    "{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith('c') }}{{ 'abc'.startswith('') }}{{ 'Ab'.upper() }}{{ 'Ab'.lower() }}",
    "{{ 'aXbX'.replace('X', 'yy') }}|{{ 'aXbX' | replace('X', '') }}",
    "{% for key, value in {'a': 1, 'b': [2]}.items() %}{{ key }}={{ value }};{% endfor %}{{ {'a': 1}.get('a') }}{{ {'a': 1}.get('b', 2) }}{{ {'a': 1}.get('b') }}",
    "{{ {'a': 1, 'b': 2}.keys() | list }}{{ {'a': 1, 'b': 2}.values() | list }}",
    "{{ messages | map(attribute='role') | join(',') }}|{{ messages | selectattr('role', 'equalto', 'user') | list | length }}|"
    "{{ messages | rejectattr('role', 'equalto', 'user') | map(attribute='role') | list }}|{{ messages | selectattr('nothing', 'defined') | list }}",
    "{{ '<b>' | safe }}", "{{ 3.strip() }}", "{{ missing.strip() }}", "{{ 'a'.items() }}",
]


@pytest.mark.parametrize("source", SNIPPETS)
def test_macros_namespaces_methods_and_slices(source):
    variables = {**VARIABLES, "word": "grüße 日本"}
    (ours,) = render_with_ours([(source, variables)])
    assert_same(source, variables, ours)


UNSUPPORTED = ["{% call f() %}{% endcall %}", "{{ cycler(1) }}", "{{ 'a'.casefold() }}", "{{ x | groupby('a') }}", "{% for m in x recursive %}{% endfor %}",
               "{% for m in x %}{{ loop.cycle(1, 2) }}{% endfor %}", "{{ 7 / 2 }}", "{% set a, b = 1, 2 %}", "{% break %}", "{{ x is divisibleby 2 }}"]


@pytest.mark.parametrize("source", UNSUPPORTED)
def test_what_is_not_supported_is_refused_with_its_line(source):
    (ours,) = render_with_ours([("one\ntwo\n" + source, VARIABLES)])
    assert "line 3" in ours["error"] and "not supported" in ours["error"]

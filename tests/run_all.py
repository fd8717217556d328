#!/usr/bin/env python3
"""Runs every part of the test suite, shows the log of what failed, and ends with one line "N passed, M failed".

    tests/run_all.py [--soak SECONDS] [PART ...]      default: all parts, in this order

A part that runs no test, or that skips one, counts as a failure: a skip here would be silent.
"""

import argparse
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "gpuinfer"
LOGS = REPOSITORY / "build" / "test-logs"
RELEASE = REPOSITORY / "build" / "release" / "bin"


@dataclasses.dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


def count_catch2(log):
    """Catch2 closes each program with "All tests passed (… in N test cases)" or "test cases: N | P passed | F failed"."""
    count = Count()
    for cases in re.findall(r"All tests passed \(.* in (\d+) test cases?\)", log):
        count.passed += int(cases)
    for line in re.findall(r"^(?:\d+: )?test cases:.*$", log, re.MULTILINE):
        for number, outcome in re.findall(r"(\d+) (passed|failed|skipped)", line):
            setattr(count, outcome, getattr(count, outcome) + int(number))
    return count


def count_pytest(log):
    count = Count()
    closing = [line for line in log.splitlines() if re.search(r"\d+ (passed|failed|skipped|error).* in [\d.]+", line)]
    for number, outcome in re.findall(r"(\d+) (passed|failed|skipped|error)", closing[-1]) if closing else []:
        field = "failed" if outcome == "error" else outcome
        setattr(count, field, getattr(count, field) + int(number))
    return count


def count_one(log):
    """The part is one test; its exit code says how it went."""
    return Count(passed=1)


def ctest(preset, *options):
    return ["ctest", "--preset", preset, "--parallel", str(os.cpu_count()), "--verbose", "--output-log", "/dev/null", *options]


def pytest(*arguments):
    return [sys.executable, "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider", *arguments]


def pytest_side_by_side(*paths):
    """Whole files, as many at a time as there are CPUs: tests of one file may share what is slow to make."""
    return pytest("--numprocesses", str(os.cpu_count()), "--dist", "loadfile", *paths)


# The tests that run under each sanitizer: those whose rooms have been seen to pass there. AddressSanitizer's preset leaves out what is tagged
# [long] (cmake/gpuinfer.cmake).
ADDRESS = ["base", "policies", "kube", "rotation", "webhook", "model", "text", "backend", "engine", "model_text", "server", "simt",
           "cuda", "cuda_backend"]
THREAD = ["engine", "kube", "server", "webhook"]


def sanitized(preset, tests):
    return [["scripts/build", preset, *(f"{test}_test" for test in tests)], ctest(preset, "-R", f"^({'|'.join(tests)})$")]


@dataclasses.dataclass
class Part:
    name: str
    what: str
    commands: list
    count: object


SOAK_SECONDS = 12


def parts(soak_seconds=SOAK_SECONDS):
    return [
        Part("format", "clang-format and shellcheck", [["scripts/lint"]], count_one),
        Part("unit", "the C++ tests", [["scripts/build", "release"], ctest("release")], count_catch2),
        Part("address", "what reads foreign bytes, under AddressSanitizer and UndefinedBehaviorSanitizer", sanitized("asan", ADDRESS), count_catch2),
        Part("thread", "what has threads, under ThreadSanitizer", sanitized("tsan", THREAD), count_catch2),
        Part("soak", "64 clients that come, leave and hang up, under both sanitizers at once", [["scripts/soak", str(soak_seconds)]], count_catch2),
        Part("fuzz", "libFuzzer on what reads foreign bytes, for a bounded time", [["scripts/build", "fuzz"], pytest("tests/fuzz")], count_pytest),
        Part("oracle", "the programs against Python's tokenizers, jinja2, jsonpatch and openai",
             [["scripts/build", "release"], ["build/release/bin/kubectl-gpuinfer", "models", "pull", "smollm2-135m"],
              pytest_side_by_side("tests/policies", "tests/webhook", "tests/plugin", "tests/runtime", "tests/images")], count_pytest),
        Part("e2e", "a real Kubernetes, from install to chat to delete",
             [["scripts/build", "release"], ["build/release/bin/kubectl-gpuinfer", "models", "pull", "smollm2-135m"],
              ["tests/cluster/build"], pytest("tests/e2e")], count_pytest),
    ]


def excerpt(log):
    """What a reader needs of the log of a part that failed: where it says what failed, and its end."""
    lines = log.splitlines()
    shown = set(range(len(lines) - 40, len(lines)))
    marks = [i for i, line in enumerate(lines) if re.search(r"FAILED:|: error: |(ERROR|WARNING): \w+Sanitizer|runtime error:", line)]
    for mark in marks[:10]:
        shown |= set(range(mark - 2, mark + 12))
    return [lines[i] for i in sorted(shown) if 0 <= i < len(lines)]


def run_part(part):
    log_path = LOGS / f"{part.name}.log"
    started = time.monotonic()
    print(f"== {part.name}: {part.what}", flush=True)
    environment = dict(os.environ, GPUINFER_BIN=str(RELEASE), GPUINFER_MODELS=str(CACHE / "models"))
    with open(log_path, "w+", encoding="utf-8", errors="replace") as log:
        code = 0
        for command in part.commands:
            print(f"   {' '.join(command)}", flush=True)
            code = subprocess.run(command, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                  stderr=subprocess.STDOUT, check=False).returncode
            if code != 0:
                break
        log.seek(0)
        text = log.read()
    count = part.count(text) if code == 0 or part.count is not count_one else Count()
    problem = ""
    if code != 0 and count.failed == 0:
        count.failed, problem = 1, f"`{' '.join(command)}` exited with {code}"
    elif count.passed + count.failed == 0:
        count.failed, problem = 1, "no test ran"
    elif count.skipped:
        count.failed, problem = count.failed + count.skipped, f"{count.skipped} skipped"
    seconds = time.monotonic() - started
    print(f"   {count.passed} passed, {count.failed} failed in {seconds:.0f} s {problem}", flush=True)
    if count.failed:
        print("\n".join(f"   | {line[:300]}" for line in excerpt(text)))
        print(f"   the whole log: {log_path.relative_to(REPOSITORY)}", flush=True)
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(f"{part.name} ({part.what})" for part in parts()))
    parser.add_argument("--soak", metavar="SECONDS", type=int, default=SOAK_SECONDS, help="how long the soak takes; default: %(default)s")
    arguments = parser.parse_args()
    names = arguments.parts
    unknown = set(names) - {part.name for part in parts()}
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}; the parts are {', '.join(part.name for part in parts())}")
    LOGS.mkdir(parents=True, exist_ok=True)
    total = Count()
    for part in parts(arguments.soak):
        if not names or part.name in names:
            total += run_part(part)
    print(f"\n{total.passed} passed, {total.failed} failed")
    sys.exit(1 if total.failed else 0)


if __name__ == "__main__":
    main()

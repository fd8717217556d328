"""Fixtures for tests of the program kubectl-gpuinfer."""

import os
import pathlib
import subprocess

import pytest


@pytest.fixture(scope="session")
def programs():
    """The folder of the programs under test; without it nothing can be tested, which is a failure and no reason to skip."""
    folder = pathlib.Path(os.environ["GPUINFER_BIN"]).absolute()
    assert (folder / "kubectl-gpuinfer").exists(), f"{folder} holds no kubectl-gpuinfer"
    return folder


class Plugin:
    """The program with a home of its own: no kubeconfig, no local deployments, but the user's model cache."""

    def __init__(self, program: pathlib.Path, home: pathlib.Path):
        self.program = program
        self.home = home
        cache = os.environ.get("XDG_CACHE_HOME") or str(pathlib.Path.home() / ".cache")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CACHE_HOME": cache,
        }

    def __call__(self, *arguments, stdin="", environment=None, timeout=300):
        return subprocess.run(
            [self.program, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**self.environment, **(environment or {})},
        )

    def output(self, *arguments, **options):
        """The standard output of a command that must succeed."""
        done = self(*arguments, **options)
        assert done.returncode == 0, f"exited with {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def error(self, *arguments, code=1, **options):
        """The standard error of a command that must fail with that exit code: an error line, and below it what to do."""
        done = self(*arguments, **options)
        assert done.returncode == code, f"exited with {done.returncode}\n{done.stdout}{done.stderr}"
        lines = done.stderr.splitlines()
        error = next(number for number, line in enumerate(lines) if line.startswith("error: "))
        assert len(lines) > error + 1 and lines[error + 1].startswith("  "), f"no remedy: {done.stderr}"
        return done.stderr


@pytest.fixture
def plugin(programs, tmp_path):
    return Plugin(programs / "kubectl-gpuinfer", tmp_path)

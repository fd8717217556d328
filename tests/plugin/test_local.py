"""`deploy --local` from one end to the other, with the real server and the real model."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

MODEL = "smollm2-135m"
QUESTION = "What is machine learning?"
GREEDY = ("--temperature", "0", "--max-tokens", "24")


@pytest.fixture
def deployed(plugin):
    plugin.output("deploy", MODEL, "--local", "--timeout", "4m")
    yield plugin
    plugin("delete", MODEL, "--local")


def status(plugin):
    return json.loads(plugin.output("status", MODEL, "--local", "-o", "json"))


def process_of(plugin):
    return json.loads((plugin.home / "state/gpuinfer/local" / MODEL / "deployment.json").read_text())["pid"]


def is_running(pid):
    """False for a zombie too: it ended, and only nobody has asked how."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_whole_life_of_a_local_deployment(plugin):
    said = plugin.output("deploy", MODEL, "--local", "--timeout", "4m")
    assert f"kubectl gpuinfer chat {MODEL}" in said
    try:
        pid = process_of(plugin)
        assert status(plugin)["state"] == "ready"
        assert MODEL in plugin.output("status")

        answer = plugin.output("chat", MODEL, *GREEDY, QUESTION)
        assert "machine learning" in answer.lower()
        assert answer == plugin.output("chat", MODEL, "--local", *GREEDY, stdin=QUESTION + "\n")

        plugin.output("deploy", MODEL, "--local")  # again: nothing changes
        assert process_of(plugin) == pid
        assert plugin.output("logs", MODEL).strip()
        assert len(plugin.output("logs", MODEL, "--tail", "1").splitlines()) == 1
    finally:
        plugin.output("delete", MODEL, "--local")
    assert not is_running(pid)
    assert not (plugin.home / "state/gpuinfer/local" / MODEL).exists()
    assert MODEL in plugin.error("delete", MODEL, "--local")


def test_the_pod_that_was_run_is_the_one_that_the_webhook_makes(deployed):
    pod = (deployed.home / "state/gpuinfer/local" / MODEL / "pod.yaml").read_text()
    assert "gpuinfer.dev/injected" in pod
    assert "claimName: gpuinfer-models" in pod


def test_chat_without_a_prompt_is_refused(deployed):
    assert "there is no prompt" in deployed.error("chat", MODEL, "--local", stdin="")


def test_a_server_that_was_killed_is_reported_and_can_be_deployed_again(deployed):
    pid = process_of(deployed)
    os.kill(pid, signal.SIGKILL)
    while is_running(pid):
        time.sleep(0.05)
    assert status(deployed)["state"] == "stopped"
    assert "not running any more" in deployed.error("chat", MODEL, "--local", "hi")
    deployed.output("deploy", MODEL, "--local", "--timeout", "4m")
    assert process_of(deployed) != pid
    assert status(deployed)["state"] == "ready"


def test_a_prompt_that_is_too_long_is_refused_by_the_server(deployed):
    message = deployed.error("chat", MODEL, "--local", "word " * 20000)
    assert "400" in message
    assert status(deployed)["state"] == "ready"


def test_a_conversation_keeps_its_history_and_obeys_commands(deployed):
    """The conversation of a person at a terminal."""
    controller, terminal = os.openpty()
    chat = subprocess.Popen(
        [deployed.program, "chat", MODEL, "--local", *GREEDY],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=deployed.environment,
    )
    os.close(terminal)
    os.write(controller, f"/system Be brief.\n{QUESTION}\n/clear\n/nonsense\n{QUESTION}\n/exit\n".encode())
    answers, hints = chat.communicate(timeout=300)
    os.close(controller)
    assert chat.returncode == 0
    assert "Be brief." in hints
    assert "unknown command /nonsense" in hints
    # After /clear the system prompt is still there, so the same question gets the same greedy answer.
    half = len(answers) // 2
    assert answers[:half] == answers[half:]
    assert "machine learning" in answers.lower()

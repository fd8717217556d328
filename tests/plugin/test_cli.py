"""The command line of kubectl-gpuinfer: help, exit codes, errors, and output that programs read."""

import json
import os
import socket
import subprocess

import pytest

COMMANDS = [
    "chat",
    "completion",
    "completion install",
    "delete",
    "deploy",
    "explain",
    "install",
    "logs",
    "models",
    "models describe",
    "models pull",
    "policy",
    "policy export",
    "policy show",
    "policy validate",
    "preview",
    "scaffold",
    "status",
    "uninstall",
    "version",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_usage_examples_and_the_cluster_options(plugin, command):
    text = plugin.output(*command.split(), "--help")
    assert f"Usage: kubectl gpuinfer {command}" in text
    assert "Examples:" in text
    for option in ("--kubeconfig", "--context", "--namespace", "--request-timeout"):
        assert option in text


def test_every_command_is_in_the_help(plugin):
    text = plugin.output("--help")
    assert "Usage: kubectl gpuinfer " in text
    for command in COMMANDS:
        assert command.split()[0] in text


def test_nothing_is_a_usage_error(plugin):
    plugin.error(code=2)


def test_an_unknown_command_suggests_the_one_that_was_meant(plugin):
    assert "did you mean 'deploy'?" in plugin.error("deplyo", "smollm2-135m", code=2)


def test_an_unknown_option_names_the_help_to_read(plugin):
    assert "kubectl gpuinfer deploy --help" in plugin.error("deploy", "smollm2-135m", "--replica", "2", code=2)


@pytest.mark.parametrize("option", [["--replicas", "-1"], ["--replicas", "two"], ["--dry-run", "maybe"], ["-o", "xml"], ["--gpus", "99"]])
def test_a_wrong_value_is_a_usage_error(plugin, option):
    plugin.error("deploy", "smollm2-135m", *option, code=2)


def test_an_unknown_model_suggests_the_one_that_was_meant(plugin):
    for command in (["deploy"], ["deploy", "--local"], ["models", "describe"], ["models", "pull"], ["scaffold", "-o", "x"]):
        assert "did you mean 'smollm2-135m'?" in plugin.error(*command, "smolm2-135m")


@pytest.mark.parametrize("arguments", [["deploy"], ["deploy", "--local"], ["deploy", "--dry-run=client"]])
def test_a_model_that_does_not_run_yet_is_refused_before_anything_happens(plugin, arguments):
    assert "cannot read its replies" in plugin.error(*arguments, "openai/gpt-oss-20b")


def test_force_renders_a_model_that_does_not_run_yet(plugin):
    objects = json.loads(plugin.output("deploy", "openai/gpt-oss-20b", "--dry-run=client", "-o", "json", "--force"))["items"]
    assert [item["metadata"]["name"] for item in objects] == ["gpt-oss-20b"] * 3


def test_models_are_the_same_for_people_and_programs(plugin):
    table = plugin.output("models")
    models = json.loads(plugin.output("models", "-o", "json"))
    assert all(model["name"] in table for model in models)
    assert "\033" not in table
    described = json.loads(plugin.output("models", "describe", "gpt-oss-20b", "-o", "json"))
    assert described["cheapestInstance"]["type"] == "g6.xlarge"
    assert "2026-07-20" in plugin.output("models", "describe", "gpt-oss-20b")


def test_a_model_on_the_hub_is_fetched_with_the_hubs_own_client(plugin, tmp_path):
    message = plugin.error("models", "pull", "gpt-oss-20b", "--to", tmp_path / "models")
    assert "hf download openai/gpt-oss-20b --revision 6cee5e81ee83917806bbde320786a8fb61efebee" in message


def test_dry_run_prints_what_kubectl_takes(plugin):
    documents = plugin.output("deploy", "smollm2-135m", "--dry-run=client", "-n", "models").split("---\n")
    assert len(documents) == 3
    assert all("namespace: models" in document for document in documents)


def test_install_can_be_rendered_without_a_cluster(plugin):
    items = json.loads(plugin.output("install", "--dry-run=client", "-o", "json", "--ecr", "111122223333.dkr.ecr.us-west-2.amazonaws.com", "--toleration", "a=b:NoSchedule"))["items"]
    assert items[-1]["kind"] == "MutatingWebhookConfiguration"
    deployment = next(item for item in items if item["kind"] == "Deployment")
    assert {"key": "a", "operator": "Equal", "value": "b", "effect": "NoSchedule"} in deployment["spec"]["template"]["spec"]["tolerations"]
    policy = next(item for item in items if item["kind"] == "ConfigMap")["data"]["policy.yaml"]
    assert 'registry: "111122223333.dkr.ecr.us-west-2.amazonaws.com"' in policy


def test_wrong_tolerations_policies_and_durations_are_refused(plugin, tmp_path):
    plugin.error("install", "--dry-run=client", "--toleration", "a:Never")
    policy = tmp_path / "policy.yaml"
    policy.write_text("kind: [\n")
    assert str(policy) in plugin.error("install", "--dry-run=client", "--policy", policy)
    assert "5x" in plugin.error("install", "--timeout", "5x")


def test_no_kubeconfig_says_what_to_do(plugin):
    for arguments in (["deploy", "smollm2-135m"], ["chat", "smollm2-135m", "hi"], ["logs", "smollm2-135m"], ["install"], ["status"], ["explain", "x"], ["policy", "show", "--from-cluster"]):
        plugin.error(*arguments)


def test_a_kubeconfig_that_does_not_parse_is_named_with_the_place(plugin, tmp_path):
    path = tmp_path / "config"
    path.write_text("clusters: [\n")
    assert f"{path}:" in plugin.error("status", "--kubeconfig", path)


def test_an_unreachable_api_server_is_named(plugin, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        server = f"https://127.0.0.1:{taken.getsockname()[1]}"
        path = tmp_path / "config"
        config = {
            "clusters": [{"name": "c", "cluster": {"server": server, "insecure-skip-tls-verify": True}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path.write_text(json.dumps(config))
        for arguments in (["status"], ["deploy", "smollm2-135m"], ["delete", "smollm2-135m"], ["uninstall"]):
            assert server.removeprefix("https://") in plugin.error(*arguments, "--kubeconfig", path)


def test_version(plugin):
    assert plugin.output("version", "--client").startswith("kubectl-gpuinfer ")
    assert set(json.loads(plugin.output("version", "--client", "-o", "json"))) == {"client"}


DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: x
  annotations: {gpuinfer.dev/inject: "true", gpuinfer.dev/model: smollm2-135m}
spec:
  template:
    spec:
      containers:
      - {name: server, image: busybox, resources: {limits: {nvidia.com/gpu: 1}}}
"""


def test_preview_reads_a_pipe_and_gives_reasons_as_comments(plugin):
    done = plugin("preview", "-f", "-", "-o", "diff", stdin=DEPLOYMENT)
    assert done.returncode == 0
    assert "+  tolerations:" in done.stdout
    assert all(line.startswith("#") for line in done.stderr.splitlines())
    assert "gpu_toleration" in done.stderr


def test_preview_takes_several_paths_and_folders_of_folders(plugin, tmp_path):
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "deep" / "deployment.yaml").write_text(DEPLOYMENT)
    (tmp_path / "b.yaml").write_text(DEPLOYMENT + "---\n" + DEPLOYMENT)
    plugin.error("preview", "-f", tmp_path / "a")
    items = json.loads(plugin.output("preview", "-R", "-f", tmp_path / "a", "-f", tmp_path / "b.yaml", "-o", "json"))["items"]
    assert [item["kind"] for item in items] == ["Deployment", "Pod"] * 3


def test_preview_by_policy_documents_of_a_folder(plugin, tmp_path):
    head = "apiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: %s}\nspec: %s\n"
    (tmp_path / "1.yaml").write_text(head % ("one", "{gpuToleration: {enabled: false}}"))
    (tmp_path / "2.yaml").write_text(head % ("two", "{sharedMemory: {perGpu: 3Gi}}"))
    done = plugin("preview", "-f", "-", "--policy", tmp_path, stdin=DEPLOYMENT)
    assert "gpu_toleration" not in done.stderr
    assert "sizeLimit: 3Gi" in done.stdout


def test_policy_documents_are_checked_with_the_place_of_the_mistake(plugin, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("apiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: x}\nspec:\n  sharedMemroy: {}\n")
    assert f"{policy}:5:" in plugin.error("policy", "validate", "-f", policy)
    policy.write_text("apiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: x}\n---\napiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: y}\n")
    assert plugin.output("policy", "validate", "-f", policy) == "valid: x, y\n"


def test_policy_show_is_a_document_that_says_the_same(plugin, tmp_path):
    shown = plugin.output("policy", "show")
    (tmp_path / "shown.yaml").write_text(shown)
    assert plugin.output("policy", "show", "-f", tmp_path / "shown.yaml") == shown


def test_policy_export_says_what_it_lacks_and_keeps_files(plugin, tmp_path):
    arguments = ["policy", "export", "--as", "mutatingadmissionpolicy"]
    items = json.loads(plugin.output(*arguments, "-o", "json"))["items"]
    assert [item["kind"] for item in items] == ["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"]
    assert "settings of the document" not in json.dumps(items)
    assert "# not expressed: " in plugin(*arguments).stderr
    assert plugin.output(*arguments, "--to", tmp_path / "out").strip() == str(tmp_path / "out" / "mutating-admission-policy.yaml")
    assert "--force" in plugin.error(*arguments, "--to", tmp_path / "out")
    plugin.error("policy", "export", "--as", "webhook", code=2)


def test_preview_of_nonsense_is_refused(plugin, tmp_path):
    plugin.error("preview", "-f", "-", stdin="a: b")
    plugin.error("preview", "-f", "-", stdin="")
    assert "nowhere" in plugin.error("preview", "-f", tmp_path / "nowhere")


def test_scaffold_writes_files_once(plugin, tmp_path):
    folder = tmp_path / "smollm2"
    files = plugin.output("scaffold", "smollm2-135m", "-o", folder).split()
    assert sorted(files) == sorted(str(path) for path in folder.iterdir())
    assert "--force" in plugin.error("scaffold", "smollm2-135m", "-o", folder)
    plugin.output("scaffold", "smollm2-135m", "-o", folder, "--force")
    assert "gpu_toleration" in plugin("preview", "-f", folder).stderr


def test_completion_by_kubectls_convention(plugin, tmp_path):
    link = plugin.output("completion", "install", "--to", tmp_path).strip()
    candidates = subprocess.run([link, "deploy", "smo"], capture_output=True, text=True, env=plugin.environment, check=True)
    assert candidates.stdout.splitlines() == ["smollm2-135m", ":4"]


def test_colour_is_for_terminals_only(plugin):
    def run_on_a_terminal(environment):
        controller, terminal = os.openpty()
        subprocess.run([plugin.program, "models"], stdout=terminal, stdin=subprocess.DEVNULL, env={**plugin.environment, **environment}, check=True)
        os.close(terminal)
        text = b""
        try:
            while piece := os.read(controller, 4096):
                text += piece
        except OSError:
            pass  # the terminal is closed
        os.close(controller)
        return text

    assert b"\033[" in run_on_a_terminal({"TERM": "xterm"})
    assert b"\033[" not in run_on_a_terminal({"TERM": "xterm", "NO_COLOR": "1"})
    assert b"\033[" not in run_on_a_terminal({"TERM": "dumb"})

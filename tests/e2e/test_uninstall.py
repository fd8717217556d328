"""`uninstall` takes everything out that `install` put in; last, because the tests before it need the webhook."""


def test_uninstall_leaves_nothing_behind(cluster):
    output = cluster.gpuinfer("uninstall").stdout
    assert "MutatingWebhookConfiguration/gpuinfer-webhook deleted" in output.splitlines()[0], "first what the API server would call"
    assert cluster.get("namespace", "gpuinfer-system") is None
    kinds = cluster.kubectl("api-resources", "--verbs=list", "--namespaced=false", "-o", "name").stdout.split()
    ours = cluster.kubectl("get", ",".join(kinds), "-l", "app.kubernetes.io/part-of=gpuinfer", "-o", "name", "--ignore-not-found").stdout
    assert ours.split() == []


def test_uninstalling_again_says_that_there_is_nothing(cluster):
    again = cluster.gpuinfer("uninstall", check=False)
    assert again.returncode == 1
    assert "not installed" in again.stderr

// From an injected pod to a local command.
#include "plugin/local_command.hpp"

#include "base/error.hpp"
#include "base/yaml.hpp"
#include "catch.hpp"
#include "plugin/injected_pod.hpp"
#include "plugin/model_manifests.hpp"

namespace gpuinfer::plugin {

TEST_CASE("the paths of the model volume become local, the address loopback") {
  const Json pod = parse_yaml(R"(
spec:
  containers:
  - name: sidecar
    args: [--x]
  - name: server
    args: [--port=8000, --host, 0.0.0.0, --tokenizer, /models/a/t.json, --other, /modelsX/b, --model=/models/a]
    env:
    - {name: GPUINFER_MODEL, value: /models/openai/gpt-oss-20b}
    - {name: EMPTY}
    volumeMounts:
    - {name: models, mountPath: /models}
    - {name: shm, mountPath: /dev/shm}
  volumes:
  - {name: models, persistentVolumeClaim: {claimName: gpuinfer-models}}
  - {name: shm, emptyDir: {medium: Memory}}
)",
                              "pod.yaml")[0]
                       .value;
  const LocalCommand command = local_command(pod, "/home/me/models", 1234);
  CHECK(command.arguments == std::vector<std::string>{"--tokenizer", "/home/me/models/a/t.json", "--other",
                                                      "/modelsX/b", "--model=/models/a", "--host", "127.0.0.1",
                                                      "--port", "1234"});
  CHECK(command.environment.at("GPUINFER_MODEL") == "/home/me/models/openai/gpt-oss-20b");
  CHECK(command.environment.at("EMPTY").empty());
}

TEST_CASE("every model of the catalogue becomes a local command through manifests and policies") {
  for (const Model& model : catalogue()) {
    INFO(model.name);
    const Json pod = injected_pod(model_deployment(model, {}, ""), policies::default_policies());
    const LocalCommand command = local_command(pod, "/m", 1);
    CHECK(command.environment.at("GPUINFER_MODEL") == "/m/" + model.name);
  }
}

TEST_CASE("what needs a cluster is refused") {
  const Json pod = {
      {"spec", {{"containers", {{{"name", "server"}, {"env", {{{"name", "A"}, {"valueFrom", Json::object()}}}}}}}}}};
  CHECK_THROWS_AS(local_command(pod, "/m", 1), Error);
  CHECK_THROWS_AS(local_command({{"spec", Json::object()}}, "/m", 1), Error);
}

}  // namespace gpuinfer::plugin

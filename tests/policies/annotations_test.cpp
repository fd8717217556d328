// policies/annotations: values, problems, and the keys that we write.
#include "policies/annotations.hpp"

#include "catch.hpp"
#include "policies/names.hpp"

using namespace gpuinfer;
using namespace gpuinfer::policies;

namespace {

ParsedAnnotations parse(const std::string& key, const Json& value) {
  return parse_annotations({{"metadata", {{"annotations", {{"gpuinfer.dev/" + key, value}}}}}});
}

}  // namespace

TEST_CASE("every annotation is read into its field") {
  const ParsedAnnotations parsed = parse_annotations(Json::parse(R"({"metadata": {"annotations": {
    "gpuinfer.dev/inject": "true", "gpuinfer.dev/model": "openai/gpt-oss-20b", "gpuinfer.dev/storage": "s3",
    "gpuinfer.dev/gpus": "4", "gpuinfer.dev/shm-size": "8Gi", "gpuinfer.dev/containers": "server, worker",
    "gpuinfer.dev/image-rewrite": "false", "gpuinfer.dev/placement": "true", "gpuinfer.dev/probes": "false",
    "gpuinfer.dev/hardening": "true", "gpuinfer.dev/environment": "false", "gpuinfer.dev/disruption": "true",
    "gpuinfer.dev/model-image": "ghcr.io/models/x:1", "gpuinfer.dev/api-key-secret": "key",
    "gpuinfer.dev/probe-path": "/healthz", "gpuinfer.dev/provisioner": "karpenter",
    "gpuinfer.dev/instance-category": "g, p", "gpuinfer.dev/instance-family": "g6e",
    "gpuinfer.dev/min-instance-generation": "5", "gpuinfer.dev/gpu-name": "l4,l40s",
    "gpuinfer.dev/min-gpu-memory": "24G", "gpuinfer.dev/gpu-count": "1,4", "gpuinfer.dev/capacity-type": "spot",
    "gpuinfer.dev/zone": "us-west-2a,us-west-2b", "gpuinfer.dev/injected": "anything", "gpuinfer.dev/original-image.x": "y",
    "example.com/gpus": "unrelated"}}})"));
  CHECK(parsed.problems.empty());
  const Annotations& values = parsed.values;
  CHECK(values.inject);
  CHECK(values.model == "openai/gpt-oss-20b");
  CHECK(values.storage == "s3");
  CHECK(values.gpus == 4);
  CHECK(values.shm_size_bytes == std::int64_t{8} << 30);
  CHECK(values.containers == std::vector<std::string>{"server", "worker"});
  CHECK(values.image_rewrite == false);
  CHECK(values.placement == true);
  CHECK(values.probes == false);
  CHECK(values.hardening == true);
  CHECK(values.environment == false);
  CHECK(values.disruption == true);
  CHECK(values.model_image == "ghcr.io/models/x:1");
  CHECK(values.api_key_secret == "key");
  CHECK(values.probe_path == "/healthz");
  CHECK(values.provisioner == Provisioner::kKarpenter);
  const NodeRequirements& nodes = values.nodes;
  CHECK(nodes.instance_categories == std::vector<std::string>{"g", "p"});
  CHECK(nodes.instance_families == std::vector<std::string>{"g6e"});
  CHECK(nodes.instance_generation == 5);
  CHECK(nodes.gpu_names == std::vector<std::string>{"l4", "l40s"});
  CHECK(nodes.gpu_memory_bytes == 24'000'000'000);
  CHECK(nodes.gpu_counts == std::vector<std::int64_t>{1, 4});
  CHECK(nodes.capacity_types == std::vector<std::string>{"spot"});
  CHECK(nodes.zones == std::vector<std::string>{"us-west-2a", "us-west-2b"});
}

TEST_CASE("an object without annotations asks for nothing") {
  CHECK(injection_choice(Json::object()) == std::nullopt);
  CHECK(injection_choice({{"metadata", nullptr}}) == std::nullopt);
  CHECK(injection_choice({{"metadata", {{"annotations", nullptr}}}}) == std::nullopt);
  CHECK(parse_annotations(Json::object()).problems.empty());
}

TEST_CASE("bad values are problems that name key, value and what is expected") {
  CHECK(parse("gpus", "many").problems ==
        std::vector<std::string>{"annotation gpuinfer.dev/gpus: 'many' must be a whole number from 0 to 1024"});
  CHECK(parse("modle", "x").problems ==
        std::vector<std::string>{"unknown annotation 'gpuinfer.dev/modle'; did you mean "
                                 "gpuinfer.dev/model?"});
  CHECK(parse("example", "x").problems == std::vector<std::string>{"unknown annotation 'gpuinfer.dev/example'"});
  struct Case {
    const char* key;
    const char* value;
  };
  const auto [key, value] = GENERATE(values<Case>({{"inject", "yes"},
                                                   {"inject", ""},
                                                   {"inject", "True"},
                                                   {"gpus", "-1"},
                                                   {"gpus", "1025"},
                                                   {"gpus", "1.0"},
                                                   {"gpus", ""},
                                                   {"gpus", " 1"},
                                                   {"shm-size", "0"},
                                                   {"shm-size", "-1Gi"},
                                                   {"shm-size", "8 Gi"},
                                                   {"shm-size", ""},
                                                   {"model", ""},
                                                   {"model", "/abs"},
                                                   {"model", "a//b"},
                                                   {"model", "../etc"},
                                                   {"model", "a/../b"},
                                                   {"model", "a/b/"},
                                                   {"model", "a/b/c/d/e"},
                                                   {"model", "a b"},
                                                   {"model", ".hidden"},
                                                   {"storage", ""},
                                                   {"storage", "S3"},
                                                   {"storage", "a_b"},
                                                   {"containers", ""},
                                                   {"containers", "a,"},
                                                   {"containers", "A"},
                                                   {"probes", "1"},
                                                   {"hardening", "off"},
                                                   {"", "true"},
                                                   {"provisioner", "eks"},
                                                   {"gpu-count", "0"},
                                                   {"gpu-count", "1,,2"},
                                                   {"capacity-type", "cheap"},
                                                   {"zone", "a"},
                                                   {"min-gpu-memory", "big"},
                                                   {"min-instance-generation", "0"},
                                                   {"instance-category", ""},
                                                   {"probe-path", "health"},
                                                   {"model-image", "A"},
                                                   {"api-key-secret", "Key"},
                                                   {"disruption", "30m"}}));
  INFO(key << "=" << value);
  CHECK(parse(key, value).problems.size() == 1);
}

TEST_CASE("a long hostile value is cut between characters") {
  std::string value;
  for (int i = 0; i < 1000; ++i) value += "模";
  const std::string text = in_quotes(value);
  CHECK(text.size() < 70);
  CHECK_NOTHROW(Json(text).dump());  // dump() throws on broken UTF-8
}

TEST_CASE("the key of an original image fits 63 characters and differs for long names that begin alike") {
  CHECK(original_image_annotation("server") == "gpuinfer.dev/original-image.server");
  const std::string long_name(48, 'a');
  CHECK(original_image_annotation(long_name) == "gpuinfer.dev/original-image." + long_name);
  const std::string one = original_image_annotation(std::string(62, 'a') + "1");
  const std::string two = original_image_annotation(std::string(62, 'a') + "2");
  CHECK(one != two);
  CHECK(one.size() == std::string("gpuinfer.dev/").size() + 63);
}

TEST_CASE("names follow RFC 1123, model names never leave their folder") {
  CHECK(is_dns_label("a-1"));
  CHECK_FALSE(is_dns_label(std::string(64, 'a')));
  CHECK_FALSE(is_dns_label("a.b"));
  CHECK(is_dns_subdomain("a.b-c.1"));
  CHECK_FALSE(is_dns_subdomain("a..b"));
  CHECK_FALSE(is_dns_subdomain(std::string(254, 'a')));
  CHECK(is_model_name("Qwen/Qwen3-8B_v1.5"));
  CHECK_FALSE(is_model_name("a/.."));
}

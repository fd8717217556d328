// Reading Hugging Face folders: the index decides, and no damaged file does more than raise an Error.
#include "runtime/model/safetensors.hpp"

#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "catch.hpp"
#include "mutations.hpp"
#include "runtime/model/model.hpp"
#include "temporary_folder.hpp"
#include "tiny_model.hpp"

namespace gpuinfer::model {
namespace {

namespace fs = std::filesystem;

std::string safetensors_file(const Json& header, std::string_view data) {
  const std::string text = header.dump();
  const std::uint64_t size = text.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + text + std::string(data);
}

Json entry(const char* dtype, const std::vector<std::uint64_t>& shape, std::uint64_t begin, std::uint64_t end) {
  return {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {begin, end}}};
}

std::string message_of(const fs::path& folder) {
  try {
    open_safetensors(folder);
    return "no error";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST_CASE("the index says which file holds a tensor, whatever the files are called") {
  const TemporaryFolder folder;
  folder.write("model-00002-of-00002.safetensors",
               safetensors_file({{"a", entry("F32", {2}, 0, 8)}, {"stale", entry("F32", {1}, 8, 12)}}, "abcdefghijkl"));
  folder.write("odd-name.safetensors", safetensors_file({{"b", entry("BF16", {1, 2}, 0, 4)}}, "mnop"));
  folder.write("model.safetensors.index.json",
               R"({"weight_map": {"a": "model-00002-of-00002.safetensors", "b": "odd-name.safetensors"}})");

  Safetensors all = open_safetensors(folder.path());
  CHECK(all.tensors.take("a", {2}).bytes[0] == std::byte{'a'});
  CHECK(all.tensors.take("b", {1, 2}).type == DataType::kBF16);
  CHECK(!all.tensors.contains("stale"));
}

TEST_CASE("the error says what is wrong with a safetensors file") {
  const TemporaryFolder folder;
  const auto message = [&](const Json& header) {
    folder.write("model.safetensors", safetensors_file(header, "12345678"));
    return message_of(folder.path());
  };
  using Catch::Contains;
  CHECK(message({{"a", entry("F32", {2}, 0, 8)}}) == "no error");
  CHECK_THAT(message({{"a", entry("F32", {2}, 4, 12)}}), Contains("'a' lies outside the file"));
  CHECK_THAT(message({{"a", entry("F32", {2}, 8, 0)}}), Contains("'a' lies outside the file"));
  CHECK_THAT(message({{"a", entry("F32", {3}, 0, 8)}}), Contains("its shape and type need 12"));
  CHECK_THAT(message({{"a", entry("F32", {1ULL << 40, 1ULL << 40}, 0, 8)}}), Contains("'a' has an impossible shape"));
  CHECK_THAT(message({{"a", {{"dtype", "F32"}}}}), Contains("'a' lacks a valid dtype"));
  folder.write("model.safetensors", std::string(8, '\xFF') + "{}");
  CHECK_THAT(message_of(folder.path()), Contains("cannot fit"));
  folder.write("model.safetensors", "short");
  CHECK_THAT(message_of(folder.path()), Contains("too short"));

  folder.write("model.safetensors", safetensors_file({{"a", entry("I64", {1}, 0, 8)}}, "12345678"));
  CHECK_THROWS_WITH(open_safetensors(folder.path()).tensors.take("a", {1}), Contains("'a' is stored as I64"));
}

TEST_CASE("an index cannot lead out of its folder or promise what is not there") {
  const TemporaryFolder folder;
  using Catch::Contains;
  folder.write("model.safetensors.index.json", R"({"weight_map": {"a": "../secret.safetensors"}})");
  CHECK_THAT(message_of(folder.path()), Contains("not a plain file name"));
  folder.write("model.safetensors.index.json", R"({"weight_map": {"a": "missing.safetensors"}})");
  CHECK_THAT(message_of(folder.path()), Contains("missing.safetensors: cannot open"));
  folder.write("model.safetensors.index.json", R"({"weight_map": 1})");
  CHECK_THAT(message_of(folder.path()), Contains("has no weight_map"));
  folder.write("x.safetensors", safetensors_file(Json::object(), ""));
  folder.write("model.safetensors.index.json", R"({"weight_map": {"a": "x.safetensors"}})");
  CHECK_THAT(message_of(folder.path()), Contains("lacks tensor 'a'"));
}

TEST_CASE("a damaged folder loads or is an error") {
  const TemporaryFolder folder;
  const std::string weights = read_file("runtime/fixtures/llama/model.safetensors");
  const std::string config = read_file("runtime/fixtures/llama/config.json");
  const auto load = [&] {
    try {
      load_model({Layout::kHuggingFace, folder.path()});
    } catch (const Error&) {
    }
  };
  for (std::uint64_t seed = 0; seed < 1500; ++seed) {
    INFO("seed " << seed);
    folder.write("config.json", config);
    folder.write("model.safetensors", mutate(weights, 4000, seed));
    load();
  }
  folder.write("model.safetensors", weights);
  for (std::uint64_t seed = 0; seed < 1500; ++seed) {
    INFO("seed " << seed);
    folder.write("config.json", mutate(config, config.size(), seed));
    load();
  }
  for (std::size_t size = 0; size < weights.size(); size += 4096) {
    folder.write("config.json", config);
    folder.write("model.safetensors", weights.substr(0, size));
    REQUIRE_THROWS_AS(load_model({Layout::kHuggingFace, folder.path()}), Error);
  }
}

}  // namespace
}  // namespace gpuinfer::model

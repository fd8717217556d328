// Reading GGUF files: what was written comes back, and no damaged file does more than raise an Error.
#include "runtime/model/gguf.hpp"

#include <cstring>

#include "base/error.hpp"
#include "catch.hpp"
#include "gguf_writer.hpp"
#include "mutations.hpp"
#include "runtime/model/model.hpp"
#include "temporary_folder.hpp"
#include "tiny_model.hpp"

namespace gpuinfer::model {
namespace {

/// Opens `contents` as a file and loads the model in it; Errors are expected, anything else is not.
void load_hostile(const TemporaryFolder& folder, std::string_view contents) {
  try {
    load_model(find_model(folder.write("model.gguf", contents)));
  } catch (const Error&) {
  }
}

std::string message_of(const TemporaryFolder& folder, std::string_view contents) {
  try {
    const GgufFile gguf(folder.write("model.gguf", contents));
    return "no error";
  } catch (const Error& error) {
    return error.what();
  }
}

/// `valid` with the first `what` replaced by `with` (of the same length).
std::string replaced(std::string valid, std::string_view what, std::string_view with) {
  return valid.replace(valid.find(what), with.size(), with);
}

std::string u64(std::uint64_t value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }

TEST_CASE("metadata comes back with its type") {
  GgufWriter writer;
  writer.add_string("a.string", "Hällo");
  writer.add_uint32("a.number", 7);
  writer.add_float32("a.real", 0.5F);
  writer.add_bool("a.flag", true);
  writer.add_strings("some.strings", {"x", "", "yz"});
  writer.add_int32s("some.numbers", {-1, 2});
  writer.add_float32s("some.reals", {1.5F});
  const TemporaryFolder folder;
  const GgufFile file(folder.write("model.gguf", writer.file()));

  CHECK(file.string("a.string") == "Hällo");
  CHECK(file.integer("a.number") == 7);
  CHECK(file.real("a.number") == 7.0);
  CHECK(file.real("a.real") == 0.5);
  CHECK(file.boolean("a.flag") == true);
  CHECK(file.strings("some.strings")->size() == 3);
  CHECK(file.strings("some.strings")->back() == "yz");
  CHECK(file.integers("some.numbers")->front() == -1);
  CHECK(file.reals("some.reals")->front() == 1.5);
  CHECK(!file.string("missing"));
  CHECK_THROWS_WITH(file.string("a.number"), Catch::Contains("'a.number' is not a string"));
}

TEST_CASE("tensors of every type come back with our shape and the right values") {
  std::vector types = {DataType::kF32, DataType::kF16, DataType::kBF16};
  types.insert(types.end(), kGgmlQuantizedTypes.begin(), kGgmlQuantizedTypes.end());
  for (const DataType type : types) {
    DYNAMIC_SECTION(name(type)) {
      const std::string bytes = random_tensor(type, 3 * 256, 1, 7);
      GgufWriter writer;
      writer.add_tensor("t", type, {3, 256}, bytes);
      const TemporaryFolder folder;
      const GgufFile file(folder.write("model.gguf", writer.file()));
      const Tensor& tensor = file.tensors().front().tensor;
      REQUIRE(tensor.shape == std::vector<std::int64_t>{3, 256});
      REQUIRE(tensor.type == type);
      REQUIRE(std::memcmp(tensor.bytes.data(), bytes.data(), bytes.size()) == 0);
    }
  }
}

TEST_CASE("the error says what is wrong with a file") {
  const TemporaryFolder folder;
  GgufWriter writer;
  writer.add_string("key", "value");
  writer.add_tensor("weight", DataType::kQ8_0, {2, 64}, random_tensor(DataType::kQ8_0, 128, 1, 1));
  const std::string valid = writer.file();
  REQUIRE(message_of(folder, valid) == "no error");

  using Catch::Contains;
  CHECK_THAT(message_of(folder, "GGML" + valid.substr(4)), Contains("does not start with \"GGUF\""));
  CHECK_THAT(message_of(folder, replaced(valid, std::string("GGUF\3", 5), "GGUF\1")),
             Contains("version 1 is not supported"));
  CHECK_THAT(message_of(folder, valid.substr(0, 30)), Contains("1 tensors cannot fit into the remaining 14 bytes"));
  CHECK_THAT(message_of(folder, replaced(valid, u64(5) + "value", u64(1ULL << 63))),
             Contains("needs 9223372036854775808 bytes"));
  CHECK_THAT(message_of(folder, replaced(valid, u64(64) + u64(2), u64(64) + u64(1ULL << 60))),
             Contains("'weight' has an impossible dimension"));
  CHECK_THAT(message_of(folder, replaced(valid, u64(64) + u64(2), u64(64) + u64(1000))),
             Contains("'weight' lies outside the file"));
  CHECK_THAT(message_of(folder, replaced(valid, u64(64) + u64(2), u64(63) + u64(2))),
             Contains("not a multiple of a Q8_0 block"));
  CHECK_THAT(
      message_of(folder, replaced(valid, u64(2) + std::string("\10\0\0\0", 4), u64(2) + std::string("\12\0\0\0", 4))),
      Contains("'weight' is stored as Q2_K, which is not supported"));
  CHECK_THAT(message_of(folder, valid.substr(0, valid.size() - 32)), Contains("'weight' lies outside the file"));
}

TEST_CASE("a file cut off anywhere is an error") {
  const TemporaryFolder folder;
  const std::string valid = tiny_llama_gguf(DataType::kQ4_1);
  for (std::size_t size = 0; size < valid.size(); size += 64) {
    const auto path = folder.write("model.gguf", std::string_view(valid).substr(0, size));
    REQUIRE_THROWS_AS(load_model(find_model(path)), Error);
  }
}

TEST_CASE("a damaged file loads or is an error") {
  const TemporaryFolder folder;
  const std::string valid = tiny_llama_gguf(DataType::kQ8_0);
  const std::size_t header = valid.find("output.weight") + 64;
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    INFO("seed " << seed);
    load_hostile(folder, mutate(valid, header, seed));
  }
}

}  // namespace
}  // namespace gpuinfer::model

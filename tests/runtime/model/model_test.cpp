// From files to a model: settings, names, shapes, and the order of rows.
#include "runtime/model/model.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "catch.hpp"
#include "fixture_gguf.hpp"
#include "gguf_writer.hpp"
#include "runtime/model/hugging_face_config.hpp"
#include "runtime/model/rope.hpp"
#include "runtime/model/safetensors.hpp"
#include "temporary_folder.hpp"
#include "tiny_model.hpp"

namespace gpuinfer::model {
namespace {

std::string_view text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Every row as float32.
std::vector<float> values_of(const Tensor& tensor) {
  const auto columns = static_cast<std::size_t>(tensor.columns());
  std::vector<float> values(static_cast<std::size_t>(tensor.empty() ? 0 : tensor.rows()) * columns);
  for (std::size_t row = 0; row * columns < values.size(); ++row) {
    dequantize_row(tensor, static_cast<std::int64_t>(row), std::span(values).subspan(row * columns, columns));
  }
  return values;
}

void check_same(const Linear& actual, const Linear& expected) {
  CHECK(values_of(actual.weight) == values_of(expected.weight));
  CHECK(values_of(actual.bias) == values_of(expected.bias));
}

void check_same(const LayerWeights& actual, const LayerWeights& expected) {
  check_same(actual.q, expected.q);
  check_same(actual.k, expected.k);
  check_same(actual.v, expected.v);
  check_same(actual.o, expected.o);
  check_same(actual.router, expected.router);
  for (const auto tensor :
       {&LayerWeights::input_norm, &LayerWeights::q_norm, &LayerWeights::k_norm, &LayerWeights::sinks,
        &LayerWeights::attention_output_norm, &LayerWeights::mlp_norm, &LayerWeights::mlp_output_norm}) {
    CHECK(values_of(actual.*tensor) == values_of(expected.*tensor));
  }
  REQUIRE(actual.experts.size() == expected.experts.size());
  for (std::size_t i = 0; i < expected.experts.size(); ++i) {
    check_same(actual.experts[i].gate, expected.experts[i].gate);
    check_same(actual.experts[i].up, expected.experts[i].up);
    check_same(actual.experts[i].down, expected.experts[i].down);
  }
}

void check_same(const ModelConfig& actual, const ModelConfig& expected) {
  CHECK(actual.vocab_size == expected.vocab_size);
  CHECK(actual.intermediate_size == expected.intermediate_size);
  CHECK(actual.max_position_embeddings == expected.max_position_embeddings);
  CHECK(actual.rms_norm_eps == expected.rms_norm_eps);
  CHECK(actual.embedding_scale == expected.embedding_scale);
  CHECK(actual.attention_scale == Approx(expected.attention_scale).epsilon(1e-7));
  CHECK(actual.activation == expected.activation);
  CHECK(actual.swiglu_limit == expected.swiglu_limit);
  CHECK(actual.num_experts_per_tok == expected.num_experts_per_tok);
  CHECK(actual.softmax_over_picked == expected.softmax_over_picked);
  CHECK(actual.layers == expected.layers);
  REQUIRE(actual.ropes.size() == expected.ropes.size());
  for (std::size_t i = 0; i < expected.ropes.size(); ++i) {
    CHECK(actual.ropes[i].magnitude == expected.ropes[i].magnitude);
    const std::vector<double>& frequencies = actual.ropes[i].inverse_frequencies;
    for (std::size_t k = 0; k < frequencies.size(); ++k) {
      // Llama 3's factors are float32 in GGUF.
      CHECK(frequencies[k] == Approx(expected.ropes[i].inverse_frequencies[k]).epsilon(1e-6));
    }
  }
}

TEST_CASE("a model is the same from a Hugging Face folder and from llama.cpp's GGUF of it") {
  for (const char* name :
       {"llama", "llama3-rope", "mistral", "qwen2", "qwen3", "qwen3-moe", "gemma3", "gpt-oss-mxfp4"}) {
    DYNAMIC_SECTION(name) {
      const Model expected = load_model(find_model(std::filesystem::path("runtime/fixtures") / name));
      const TemporaryFolder folder;
      folder.write("any-name.gguf", fixture_as_gguf(name));
      const Model actual = load_model(find_model(folder.path()));
      check_same(actual.config, expected.config);
      CHECK(values_of(actual.weights.embedding) == values_of(expected.weights.embedding));
      CHECK(values_of(actual.weights.norm) == values_of(expected.weights.norm));
      CHECK(values_of(actual.weights.lm_head) == values_of(expected.weights.lm_head));
      for (std::size_t i = 0; i < expected.weights.layers.size(); ++i) {
        INFO("layer " << i);
        check_same(actual.weights.layers[i], expected.weights.layers[i]);
      }
    }
  }
}

TEST_CASE("elements of every type mean what ggml says") {
  const auto values = [](DataType type, std::string bytes, std::int64_t columns) {
    const Tensor tensor{type, {columns}, std::as_bytes(std::span(bytes))};
    std::vector<float> out(static_cast<std::size_t>(columns));
    dequantize_row(tensor, 0, out);
    return out;
  };
  // float16: 1, -2, the smallest subnormal, 65504.
  CHECK(values(DataType::kF16, std::string("\x00\x3C\x00\xC0\x01\x00\xFF\x7B", 8), 4) ==
        std::vector<float>{1, -2, 0x1p-24F, 65504});
  CHECK(values(DataType::kBF16, std::string("\x80\x3F\x49\xC0", 4), 2) == std::vector<float>{1, -3.140625F});
  const std::string half("\x00\x38", 2);   // 0.5
  const std::string minus("\x00\xC0", 2);  // -2
  // Nibbles: element 0 is 1, element 16 is 15, the others are 8.
  const std::string nibbles = "\xF1" + std::string(15, '\x88');
  std::vector<float> q4_0 = values(DataType::kQ4_0, half + nibbles, 32);
  CHECK((q4_0[0] == -3.5F && q4_0[1] == 0 && q4_0[16] == 3.5F && q4_0[31] == 0));
  std::vector<float> q4_1 = values(DataType::kQ4_1, half + minus + nibbles, 32);
  CHECK((q4_1[0] == -1.5F && q4_1[1] == 2 && q4_1[16] == 5.5F));
  std::vector<float> q8_0 = values(DataType::kQ8_0, half + "\x7F\x80" + std::string(30, '\x02'), 32);
  CHECK((q8_0[0] == 63.5F && q8_0[1] == -64 && q8_0[31] == 1));
}

std::string from_hexadecimal(const std::string& digits) {
  std::string bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

TEST_CASE("quantised blocks hold the numbers that ggml's package reads in them") {
  const Json all = Json::parse(read_file("runtime/model/testdata/ggml_blocks.json"));
  for (const DataType type : kGgmlQuantizedTypes) {
    INFO(name(type));
    const Json& blocks = all.at(std::string(name(type)));
    const std::string bytes = from_hexadecimal(blocks.at("bytes"));
    const std::string expected_bytes = from_hexadecimal(blocks.at("values"));
    std::vector<float> expected(expected_bytes.size() / sizeof(float));
    std::memcpy(expected.data(), expected_bytes.data(), expected_bytes.size());
    const auto columns = static_cast<std::int64_t>(expected.size());
    const Tensor tensor{.type = type, .shape = {columns}, .bytes = std::as_bytes(std::span(bytes))};
    REQUIRE(tensor.row_bytes() == static_cast<std::int64_t>(bytes.size()));
    std::vector<float> actual(expected.size());
    dequantize_row(tensor, 0, actual);
    CHECK(actual == expected);
  }
}

TEST_CASE("what is at a path decides how it is loaded") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(find_model(folder.path() / "nothing"), Catch::Contains("no such file or folder"));
  CHECK_THROWS_WITH(find_model(folder.path()), Catch::Contains("neither config.json nor exactly one .gguf file"));
  const auto gguf = folder.write("a.gguf", "x");
  CHECK(find_model(folder.path()).path == gguf);
  folder.write("b.gguf", "x");
  CHECK_THROWS_WITH(find_model(folder.path()), Catch::Contains("it holds 2"));
  folder.write("config.json", "{}");
  CHECK(find_model(folder.path()).layout == Layout::kHuggingFace);
}

Json llama_config() { return Json::parse(read_file("runtime/fixtures/llama/config.json")); }

TEST_CASE("settings may be left out or spelled in two ways") {
  Json json = llama_config();
  json.erase("head_dim");
  json.erase("num_key_value_heads");
  json["hidden_size"] = 128;
  const ModelConfig config = parse_hugging_face_config(json, "config.json").config;
  CHECK(config.head_dim == 32);
  CHECK(config.num_key_value_heads == 4);

  Json old = llama_config();
  old.erase("rope_parameters");
  old["rope_theta"] = 500000.0;
  old["rope_scaling"] = {{"rope_type", "llama3"},
                         {"factor", 8.0},
                         {"low_freq_factor", 1.0},
                         {"high_freq_factor", 4.0},
                         {"original_max_position_embeddings", 64}};
  const Json current = Json::parse(read_file("runtime/fixtures/llama3-rope/config.json"));
  CHECK(parse_hugging_face_config(old, "old").config.ropes == parse_hugging_face_config(current, "new").config.ropes);
}

TEST_CASE("a model that cannot be computed is refused with the reason") {
  const auto refusal = [](const char* key, const Json& value) {
    Json json = llama_config();
    json[key] = value;
    try {
      parse_hugging_face_config(json, "config.json");
      return std::string("accepted");
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  using Catch::Contains;
  CHECK_THAT(refusal("architectures", {"GPT2LMHeadModel"}),
             Contains("architecture 'GPT2LMHeadModel' is not supported"));
  CHECK_THAT(refusal("hidden_act", "gelu"), Contains("hidden_act 'gelu'"));
  CHECK_THAT(refusal("rope_parameters", {{"rope_type", "longrope"}}),
             Contains("RoPE type 'longrope' is not supported"));
  CHECK_THAT(refusal("rope_parameters", {{"rope_type", "yarn"}}), Contains("'factor' is missing"));
  CHECK_THAT(refusal("quantization_config", {{"quant_method", "awq"}}), Contains("quantization_config"));
  CHECK_THAT(refusal("num_hidden_layers", -1), Contains("number of layers is -1"));
  CHECK_THAT(refusal("num_key_value_heads", 3), Contains("cannot share 3"));
  CHECK_THAT(refusal("vocab_size", "many"), Contains("'vocab_size' is not an integer"));
  CHECK_THAT(refusal("vocab_size", 1e30), Contains("'vocab_size' is not an integer"));
}

TEST_CASE("a tensor of the wrong shape is named") {
  GgufWriter writer;
  writer.add_string("general.architecture", "llama");
  for (const char* key : {"llama.block_count", "llama.attention.head_count"}) writer.add_uint32(key, 1);
  for (const char* key : {"llama.context_length", "llama.embedding_length", "llama.feed_forward_length"}) {
    writer.add_uint32(key, 32);
  }
  writer.add_tensor("token_embd.weight", DataType::kF32, {4, 32}, random_tensor(DataType::kF32, 128, 1, 1));
  writer.add_tensor("output_norm.weight", DataType::kF32, {16}, random_tensor(DataType::kF32, 16, 1, 1));
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(load_model(find_model(folder.write("model.gguf", writer.file()))),
                    Catch::Contains("tensor 'output_norm.weight' has shape [16], the settings ask for [32]"));
}

/// The safetensors file of a gpt-oss with its experts as BF16 in place of MXFP4: [experts, in, out].
class WithDenseExperts {
 public:
  explicit WithDenseExperts(const std::filesystem::path& folder) : source_(open_safetensors(folder)) {}

  std::string file(const Json& header) {
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__" || name.ends_with("_scales")) continue;
      const auto shape = entry.at("shape").get<std::vector<std::int64_t>>();
      if (name.ends_with("_blocks")) {
        add_expert(name.substr(0, name.size() - std::string_view("_blocks").size()), shape);
      } else {
        add(name, shape, text(source_.tensors.take(name, shape).bytes));
      }
    }
    const std::string text = header_.dump();
    const std::uint64_t size = text.size();
    return std::string(reinterpret_cast<const char*>(&size), sizeof size) + text + data_;
  }

 private:
  void add_expert(const std::string& name, const std::vector<std::int64_t>& blocks) {
    const std::int64_t experts = blocks[0], out = blocks[1], in = blocks[2] * 32;
    const Tensor tensor{.type = DataType::kMxfp4,
                        .shape = {experts * out, in},
                        .bytes = source_.tensors.take_bytes(name + "_blocks", blocks).bytes,
                        .scales = source_.tensors.take_bytes(name + "_scales", {experts, out, blocks[2]}).bytes};
    std::string bytes(static_cast<std::size_t>(experts * out * in * 2), 0);
    std::vector<float> row(static_cast<std::size_t>(in));
    for (std::int64_t r = 0; r < experts * out; ++r) {
      dequantize_row(tensor, r, row);
      for (std::int64_t i = 0; i < in; ++i) {
        const std::int64_t place = (r / out * in + i) * out + r % out;
        const auto bits =
            static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(row[static_cast<std::size_t>(i)]) >> 16);
        std::memcpy(&bytes[static_cast<std::size_t>(place * 2)], &bits, sizeof bits);
      }
    }
    add(name, {experts, in, out}, bytes);
  }

  void add(const std::string& name, const std::vector<std::int64_t>& shape, std::string_view bytes) {
    header_[name] = {
        {"dtype", "BF16"}, {"shape", shape}, {"data_offsets", {data_.size(), data_.size() + bytes.size()}}};
    data_ += bytes;
  }

  Safetensors source_;
  Json header_;
  std::string data_;
};

TEST_CASE("gpt-oss's experts are the same from MXFP4 and from BF16, whose inputs and outputs are exchanged") {
  const std::filesystem::path source = "runtime/fixtures/gpt-oss-mxfp4";
  const std::string original = read_file(source / "model.safetensors");
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, original.data(), sizeof header_bytes);
  Json config = Json::parse(read_file(source / "config.json"));
  config.erase("quantization_config");
  const TemporaryFolder folder;
  folder.write("config.json", config.dump());
  folder.write("model.safetensors", WithDenseExperts(source).file(Json::parse(original.substr(8, header_bytes))));

  const Model quantized = load_model(find_model(source));
  const Model dense = load_model(find_model(folder.path()));
  for (std::size_t e = 0; e < 8; ++e) {
    const Mlp& expected = quantized.weights.layers[3].experts[e];
    const Mlp& actual = dense.weights.layers[3].experts[e];
    check_same(actual.gate, expected.gate);
    check_same(actual.up, expected.up);
    check_same(actual.down, expected.down);
  }
}

TEST_CASE("YaRN gives the frequencies of gpt-oss") {
  // Computed from the formulas of the paper with Python's floats.
  const YarnRopeScaling scaling{.factor = 32, .truncate = false};
  const std::vector<double> exact = scale_yarn(rope_inverse_frequencies(150000, 64), 150000, scaling);
  CHECK(exact[0] == 1);
  CHECK(exact[8] == Approx(0.0508132748));
  CHECK(exact[9] == Approx(0.0317056962));
  CHECK(exact[12] == Approx(0.00679495949));
  CHECK(exact[17] == Approx(0.000129318701));
  CHECK(exact[31] == Approx(3.02351143e-07));
  const YarnRopeScaling whole_pairs{.factor = 32};
  const std::vector<double> truncated = scale_yarn(rope_inverse_frequencies(150000, 64), 150000, whole_pairs);
  CHECK(truncated[12] == Approx(0.00701571391));
  CHECK(truncated[17] == Approx(0.000227947796));
  CHECK(yarn_magnitude(32) == Approx(1.3465735903));
}

TEST_CASE("Llama 3's RoPE keeps high frequencies and stretches low ones") {
  const std::vector<double> plain = rope_inverse_frequencies(500000, 128);
  const std::vector<double> scaled = scale_llama3(plain, {.factor = 32});
  CHECK(scaled.front() == plain.front());
  CHECK(scaled.back() == plain.back() / 32);
  CHECK(std::ranges::is_sorted(scaled, std::greater<>()));
}

}  // namespace
}  // namespace gpuinfer::model

// Each kernel against the same formula in double, at sizes that fill no vector, tile or page evenly.
#include <cmath>
#include <random>

#include "catch.hpp"
#include "each_target.hpp"
#include "runtime/backend/cpu/attention.hpp"
#include "runtime/backend/cpu/elementwise.hpp"
#include "runtime/backend/cpu/matmul.hpp"
#include "runtime/backend/kv_groups.hpp"
#include "tiny_model.hpp"

namespace gpuinfer::backend {
namespace {

using model::DataType;

std::vector<float> random_floats(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

Activations random_activations(std::int64_t tokens, std::int64_t columns, bool quantized) {
  Activations x;
  x.resize(tokens, columns);
  const std::vector<float> values = random_floats(tokens * columns, 11);
  std::copy(values.begin(), values.end(), x.floats(0));
  for (std::int64_t t = 0; quantized && t < tokens; ++t) quantize(x, t);
  return x;
}

PackedMatrix pack(const model::Tensor& tensor, std::vector<std::byte>& memory) {
  PackedMatrix packed = plan_packing(tensor, matmul_group_rows());
  memory.resize(packed.bytes_needed());
  pack_groups(tensor, packed, 0, packed.groups(), memory);
  packed.bytes = memory;
  return packed;
}

struct Shape {
  std::int64_t rows, columns, tokens;
};

/// Checks a product against double arithmetic, and that each token alone gives the same bits.
void check_matmul(DataType type, const Shape& shape) {
  const auto [rows, columns, tokens] = shape;
  const std::string bytes = model::random_tensor(type, rows * columns, 1, 5);
  const model::Tensor tensor{type, {rows, columns}, std::as_bytes(std::span(bytes))};
  std::vector<std::byte> memory;
  const PackedMatrix weight = pack(tensor, memory);
  const Activations x = random_activations(tokens, columns, model::is_quantized(type));

  // A stride that leaves a gap, which must stay as it was.
  const std::int64_t stride = rows + 3;
  std::vector<float> out(static_cast<std::size_t>(tokens * stride), 1.0F);
  std::vector<float> one_by_one = out;
  matmul(weight, x, {0, weight.groups(), 0, tokens}, out.data(), stride, /*accumulate=*/true);
  for (std::int64_t t = 0; t < tokens; ++t) {
    matmul(weight, x, {0, weight.groups(), t, t + 1}, one_by_one.data(), stride, /*accumulate=*/true);
  }
  INFO(rows << " x " << columns << ", " << tokens << " tokens");
  REQUIRE(out == one_by_one);

  std::vector<float> row(static_cast<std::size_t>(columns));
  for (std::int64_t r = 0; r < rows; ++r) {
    dequantize_row(tensor, r, row);
    for (std::int64_t t = 0; t < tokens; ++t) {
      double expected = 1;
      double magnitude = 1;
      for (std::int64_t c = 0; c < columns; ++c) {
        const double product =
            static_cast<double>(row[static_cast<std::size_t>(c)]) * static_cast<double>(x.floats(t)[c]);
        expected += product;
        magnitude += std::fabs(product);
      }
      INFO("row " << r << ", token " << t);
      const float actual = out[static_cast<std::size_t>(t * stride + r)];
      // 16-bit activations are off by up to max|x| / 65534 each; floats by rounding.
      const double limit = (model::is_quantized(type) ? 1e-4 : 2e-6) * magnitude;
      REQUIRE(std::fabs(static_cast<double>(actual) - expected) <= limit);
    }
  }
  for (std::int64_t t = 0; t < tokens; ++t) REQUIRE(out[static_cast<std::size_t>(t * stride + rows)] == 1.0F);
}

TEST_CASE("matrix products of every type and odd sizes") {
  for (const auto type :
       {DataType::kF32, DataType::kF16, DataType::kBF16, DataType::kQ4_0, DataType::kQ4_1, DataType::kQ5_0,
        DataType::kQ5_1, DataType::kQ8_0, DataType::kQ4_K, DataType::kQ5_K, DataType::kQ6_K, DataType::kMxfp4Ggml}) {
    DYNAMIC_SECTION(model::name(type)) {
      for_each_target([&] {
        const std::int64_t columns = 3 * std::max<std::int64_t>(32, model::block_elements(type));
        for (const std::int64_t rows : {1, 7, 8, 33}) {
          for (const std::int64_t tokens : {1, 2, 3, 4, 5, 6, 11}) check_matmul(type, {rows, columns, tokens});
        }
        if (model::is_quantized(type)) return;
        for (const std::int64_t odd : {1, 2, 3, 5, 37}) check_matmul(type, {9, odd, 4});
      });
    }
  }
}

TEST_CASE("MXFP4 of safetensors is packed as that of GGUF") {
  constexpr std::int64_t kRows = 5;
  constexpr std::int64_t kBlocks = 3;
  const std::string ggml = model::random_tensor(DataType::kMxfp4Ggml, kRows * kBlocks * 32, 1, 7);
  std::string codes;
  std::string scales;
  for (std::size_t block = 0; block < ggml.size(); block += 17) {
    scales += ggml[block];
    const auto code = [&](std::size_t i) { return ggml[block + 1 + i % 16] >> (i < 16 ? 0 : 4) & 15; };
    for (std::size_t i = 0; i < 32; i += 2) codes += static_cast<char>(code(i) | code(i + 1) << 4);
  }
  const auto bytes = [](const std::string& text) { return std::as_bytes(std::span(text)); };
  const model::Tensor from_gguf{DataType::kMxfp4Ggml, {kRows, kBlocks * 32}, bytes(ggml)};
  const model::Tensor from_safetensors{DataType::kMxfp4, {kRows, kBlocks * 32}, bytes(codes), bytes(scales)};
  std::vector<std::byte> expected;
  std::vector<std::byte> actual;
  pack(from_gguf, expected);
  pack(from_safetensors, actual);
  CHECK(actual == expected);
}

TEST_CASE("extreme quantised values neither overflow nor saturate") {
  for (const auto type : {DataType::kQ4_1, DataType::kQ8_0}) {
    // All bits set (-1, or 15), then all weights at the most negative value.
    for (const char fill : {'\xFF', '\x80', '\x7F'}) {
      std::string bytes = std::string("\x00\x3C", 2) + (type == DataType::kQ4_1 ? std::string("\x00\xC8", 2) : "");
      bytes += std::string(type == DataType::kQ4_1 ? 16 : 32, fill);
      const model::Tensor tensor{type, {1, 32}, std::as_bytes(std::span(bytes))};
      std::vector<std::byte> memory;
      const PackedMatrix weight = pack(tensor, memory);
      Activations x;
      x.resize(1, 32);
      std::fill_n(x.floats(0), 32, -3.0F);
      quantize(x, 0);
      float out = 0;
      matmul(weight, x, {0, 1, 0, 1}, &out, 1, false);
      std::vector<float> row(32);
      dequantize_row(tensor, 0, row);
      double expected = 0;
      for (const float value : row) expected += -3.0 * static_cast<double>(value);
      REQUIRE(static_cast<double>(out) == Approx(expected).epsilon(1e-6));
    }
  }
}

TEST_CASE("quantised activations are the nearest 16-bit values; a block of zeros stays zero") {
  Activations x = random_activations(1, 64, false);
  std::fill_n(x.floats(0) + 32, 32, 0.0F);
  quantize(x, 0);
  int sum = 0;
  for (std::int64_t i = 0; i < 32; ++i) {
    constexpr std::int64_t kColumns[] = {0, 2, 1, 3};
    const std::int64_t column = i / 4 * 4 + kColumns[i % 4];
    const float value = x.scales(0)[0] * static_cast<float>(x.values(0)[i]);
    CHECK(std::fabs(value - x.floats(0)[column]) <= x.scales(0)[0] * 0.501F);
    sum += x.values(0)[i];
    CHECK(x.values(0)[32 + i] == 0);
  }
  CHECK(x.sums(0)[0] == Approx(x.scales(0)[0] * static_cast<float>(sum)));
  CHECK(x.scales(0)[1] == 0);
}

TEST_CASE("norm, activation and rotation at odd sizes") {
  for (const std::int64_t size : {1, 7, 16, 45}) {
    const auto count = static_cast<std::size_t>(size);
    const std::vector<float> a = random_floats(size, 1);
    const std::vector<float> b = random_floats(size, 2);
    std::vector<float> out(count);

    rms_norm(a, b.data(), 1e-5F, out.data());
    double squares = 0;
    for (const float value : a) squares += static_cast<double>(value) * static_cast<double>(value);
    const double scale = 1 / std::sqrt(squares / static_cast<double>(size) + 1e-5);
    for (std::size_t i = 0; i < count; ++i) {
      CHECK(out[i] == Approx(static_cast<double>(a[i]) * scale * static_cast<double>(b[i])).epsilon(1e-5));
    }

    const auto check_activation = [&](model::Activation activation, const auto& formula) {
      constexpr float kLimit = 0.5F;
      activate(activation, kLimit, a.data(), b.data(), out);
      for (std::size_t i = 0; i < count; ++i) {
        CHECK(out[i] == Approx(formula(static_cast<double>(a[i]), static_cast<double>(b[i]))).margin(1e-6));
      }
    };
    const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
    check_activation(model::Activation::kSilu, [&](double gate, double up) { return gate * sigmoid(gate) * up; });
    check_activation(model::Activation::kGeluTanh, [](double gate, double up) {
      return 0.5 * gate * (1 + std::tanh(std::sqrt(2 / M_PI) * (gate + 0.044715 * gate * gate * gate))) * up;
    });
    check_activation(model::Activation::kClampedSwiglu, [&](double gate, double up) {
      gate = std::min(gate, 0.5);
      return (std::clamp(up, -0.5, 0.5) + 1) * gate * sigmoid(1.702 * gate);
    });

    std::vector<float> head = random_floats(2 * size, 3);
    const std::vector<float> before = head;
    rope(head, a.data(), b.data(), 0.5F);
    for (std::size_t i = 0; i < count; ++i) {
      CHECK(head[i] == Approx(0.5F * (before[i] * a[i] - before[i + count] * b[i])).margin(1e-6));
      CHECK(head[i + count] == Approx(0.5F * (before[i + count] * a[i] + before[i] * b[i])).margin(1e-6));
    }
  }
  const std::vector<float> extreme = {-1e30F, -200, -89, 89, 200, -104.5F, 0, -0.0F};
  const std::vector<float> ones(extreme.size(), 1);
  std::vector<float> out(extreme.size());
  activate(model::Activation::kSilu, 0, extreme.data(), ones.data(), out);
  for (std::size_t i = 0; i < out.size(); ++i) CHECK(out[i] == Approx(std::max(extreme[i], 0.0F)).margin(1e-5));
}

struct AttentionShape {
  std::int64_t length, heads, head_dim;
  std::optional<std::int64_t> window;
};

/// Attention over random keys against the formula; in segments the same bits.
void check_attention(const AttentionShape& shape, KvType type) {
  const auto [length, heads, head_dim, window] = shape;
  model::ModelConfig config;
  config.layers.resize(1);
  config.num_key_value_heads = 1;
  config.head_dim = head_dim;
  KvCache cache(config, make_kv_groups(config, 40), type);
  std::vector<std::int32_t> pages;
  for (std::int32_t page = 0; page * kPageTokens < length; ++page) pages.push_back(39 - page);
  const std::vector<float> keys = random_floats(length * head_dim, 1);
  const std::vector<float> values = random_floats(length * head_dim, 2);
  for (std::int64_t p = 0; p < length; ++p) {
    const auto row = static_cast<std::size_t>(p * head_dim);
    store_key_value(cache, {0, pages[static_cast<std::size_t>(p / kPageTokens)], 0, p % kPageTokens},
                    std::span(keys).subspan(row, static_cast<std::size_t>(head_dim)), &values[row]);
  }
  std::vector<float> queries = random_floats(heads * head_dim, 3);
  for (float& query : queries) query /= std::sqrt(static_cast<float>(head_dim));
  const std::vector<float> sinks = random_floats(heads, 4);
  std::vector<float> out(queries.size());
  AttentionTask task{.cache = cache,
                     .layer = 0,
                     .kv_head = 0,
                     .head_dim = head_dim,
                     .heads = heads,
                     .sliding_window = window,
                     .sinks = sinks.data(),
                     .pages = pages,
                     .position = length - 1,
                     .tokens = 1,
                     .queries = queries.data(),
                     .query_stride = 0,
                     .out = out.data(),
                     .out_stride = 0};
  attention(task);
  INFO(length << " keys, " << heads << " heads of " << head_dim);

  std::vector<float> partials;
  const auto partial_floats = static_cast<std::size_t>(task.partial_floats());
  partials.resize(static_cast<std::size_t>(task.end_segment() - task.first_segment()) * partial_floats);
  for (std::int64_t segment = task.first_segment(); segment < task.end_segment(); ++segment) {
    attention_segment(task, segment,
                      &partials[static_cast<std::size_t>(segment - task.first_segment()) * partial_floats]);
  }
  std::vector<float> merged(out.size());
  task.out = merged.data();
  merge_segments(task, partials.data());
  REQUIRE(merged == out);

  const std::int64_t first = window ? std::max<std::int64_t>(0, length - *window) : 0;
  for (std::int64_t h = 0; h < heads; ++h) {
    std::vector<double> sum(static_cast<std::size_t>(head_dim));
    double total = std::exp(static_cast<double>(sinks[static_cast<std::size_t>(h)]));
    for (std::int64_t p = first; p < length; ++p) {
      double score = 0;
      for (std::int64_t d = 0; d < head_dim; ++d) {
        score += static_cast<double>(queries[static_cast<std::size_t>(h * head_dim + d)]) *
                 static_cast<double>(keys[static_cast<std::size_t>(p * head_dim + d)]);
      }
      total += std::exp(score);
      for (std::int64_t d = 0; d < head_dim; ++d) {
        sum[static_cast<std::size_t>(d)] +=
            std::exp(score) * static_cast<double>(values[static_cast<std::size_t>(p * head_dim + d)]);
      }
    }
    for (std::int64_t d = 0; d < head_dim; ++d) {
      INFO("head " << h << ", element " << d);
      REQUIRE(out[static_cast<std::size_t>(h * head_dim + d)] ==
              Approx(sum[static_cast<std::size_t>(d)] / total).margin(type == KvType::kFloat32 ? 2e-5 : 3e-3));
    }
  }
}

TEST_CASE("attention over pages, for every number of heads that share keys") {
  for (const KvType type : {KvType::kFloat32, KvType::kFloat16}) {
    for_each_target([&] {
      for (const std::int64_t length : {1, 15, 16, 17, 100, 256, 257, 600}) {
        for (const std::int64_t heads : {1, 2, 3, 4, 7, 9}) check_attention({length, heads, 24, std::nullopt}, type);
        for (const std::int64_t head_dim : {2, 16, 64, 80}) check_attention({length, 2, head_dim, std::nullopt}, type);
        for (const std::int64_t window : {1, 16, 20, 300}) check_attention({length, 2, 24, window}, type);
      }
    });
  }
}

TEST_CASE("keys and values that are too large for 16 bits stay finite") {
  model::ModelConfig config;
  config.layers.resize(1);
  config.num_key_value_heads = 1;
  config.head_dim = 2;
  KvCache cache(config, make_kv_groups(config, 1), KvType::kFloat16);
  const std::vector<float> huge = {1e9F, -1e9F};
  store_key_value(cache, {0, 0, 0, 0}, huge, huge.data());
  const std::vector<std::int32_t> pages = {0};
  const std::vector<float> query = {1, 1};
  std::vector<float> out(2);
  attention({.cache = cache,
             .layer = 0,
             .kv_head = 0,
             .head_dim = 2,
             .heads = 1,
             .sliding_window = std::nullopt,
             .sinks = nullptr,
             .pages = pages,
             .position = 0,
             .tokens = 1,
             .queries = query.data(),
             .query_stride = 0,
             .out = out.data(),
             .out_stride = 0});
  CHECK(out == std::vector<float>{65504, -65504});
}

}  // namespace
}  // namespace gpuinfer::backend

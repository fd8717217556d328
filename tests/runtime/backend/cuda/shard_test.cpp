// What each of several GPUs gets of a model.
#include "runtime/backend/cuda/shard.hpp"

#include "../fixture.hpp"
#include "catch.hpp"
#include "runtime/backend/cuda/device_model.hpp"

namespace gpuinfer::backend::cuda {
namespace {

using model::Tensor;

std::vector<float> values(const Tensor& tensor) {
  const auto columns = static_cast<std::size_t>(tensor.columns());
  std::vector<float> all(static_cast<std::size_t>(tensor.rows()) * columns);
  for (std::int64_t row = 0; row < tensor.rows(); ++row) {
    dequantize_row(tensor, row, std::span(all).subspan(static_cast<std::size_t>(row) * columns, columns));
  }
  return all;
}

/// Elements [begin, end) of the columns of every row.
std::vector<float> columns_of(const Tensor& tensor, std::int64_t begin, std::int64_t end) {
  const std::vector<float> all = values(tensor);
  std::vector<float> part;
  for (auto row = all.begin(); row != all.end(); row += tensor.columns())
    part.insert(part.end(), row + begin, row + end);
  return part;
}

std::vector<float> joined(const std::vector<Tensor>& parts) {
  std::vector<float> all;
  for (const Tensor& part : parts) {
    const std::vector<float> more = values(part);
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

std::vector<Shard> shards_of(const model::Model& model, std::int64_t ranks) {
  std::vector<Shard> shards;
  for (std::int64_t rank = 0; rank < ranks; ++rank) shards.push_back(make_shard(model, rank, ranks));
  return shards;
}

TEST_CASE("heads and rows of an MLP are shared out, columns belong to them, and the rest is everybody's") {
  const Fixture fixture = load_fixture("qwen2");  // Biases of q, k and v, a tied head.
  const model::Model& model = *fixture.model;
  const std::vector<Shard> shards = shards_of(model, 2);
  const model::ModelConfig& config = shards[1].model.config;
  CHECK(config.num_attention_heads == 2);
  CHECK(config.num_key_value_heads == 1);
  CHECK(config.intermediate_size == model.config.intermediate_size / 2);
  CHECK(config.vocab_size == model.config.vocab_size);
  CHECK(config.hidden_size == model.config.hidden_size);

  const model::LayerWeights& whole = model.weights.layers[1];
  const auto parts_of = [&](const auto& tensor_of) {
    std::vector<Tensor> parts;
    for (const Shard& shard : shards) parts.push_back(tensor_of(shard.model.weights.layers[1]));
    return joined(parts);
  };
  CHECK(parts_of([](const auto& layer) { return layer.q.weight; }) == values(whole.q.weight));
  CHECK(parts_of([](const auto& layer) { return layer.k.weight; }) == values(whole.k.weight));
  CHECK(parts_of([](const auto& layer) { return layer.v.weight; }) == values(whole.v.weight));
  CHECK(parts_of([](const auto& layer) { return layer.q.bias; }) == values(whole.q.bias));
  CHECK(parts_of([](const auto& layer) { return layer.v.bias; }) == values(whole.v.bias));
  CHECK(parts_of([](const auto& layer) { return layer.experts[0].gate.weight; }) ==
        values(whole.experts[0].gate.weight));
  CHECK(parts_of([](const auto& layer) { return layer.experts[0].up.weight; }) == values(whole.experts[0].up.weight));
  for (std::size_t rank = 0; rank < 2; ++rank) {
    const model::LayerWeights& layer = shards[rank].model.weights.layers[1];
    const auto half = [&](const Tensor& tensor) {
      const std::int64_t columns = tensor.columns() / 2;
      const auto begin = static_cast<std::int64_t>(rank) * columns;
      return columns_of(tensor, begin, begin + columns);
    };
    CHECK(values(layer.o.weight) == half(whole.o.weight));
    CHECK(values(layer.experts[0].down.weight) == half(whole.experts[0].down.weight));
    CHECK(values(layer.input_norm) == values(whole.input_norm));
    CHECK(values(shards[rank].model.weights.embedding) == values(model.weights.embedding));
    CHECK(shards[rank].model.weights.lm_head.rows() == 160);
  }
  CHECK(joined({shards[0].model.weights.lm_head, shards[1].model.weights.lm_head}) == values(model.weights.lm_head));
}

TEST_CASE("experts are shared out whole, sinks go with their heads, and a bias is added once") {
  const Fixture fixture = load_fixture("gpt-oss-mxfp4");
  const model::LayerWeights& whole = fixture.model->weights.layers[0];
  const std::vector<Shard> shards = shards_of(*fixture.model, 2);
  for (std::size_t rank = 0; rank < 2; ++rank) {
    const Shard& shard = shards[rank];
    const model::LayerWeights& layer = shard.model.weights.layers[0];
    CHECK(shard.model.config.num_experts == 8);
    CHECK(shard.model.config.intermediate_size == fixture.model->config.intermediate_size);
    CHECK(shard.first_expert() == static_cast<std::int64_t>(4 * rank));
    REQUIRE(layer.experts.size() == 4);
    CHECK(values(layer.experts[1].gate.weight) == values(whole.experts[4 * rank + 1].gate.weight));
    CHECK(values(layer.experts[3].down.bias) == values(whole.experts[4 * rank + 3].down.bias));
    CHECK(values(layer.router.weight) == values(whole.router.weight));
    CHECK(layer.o.bias.empty() == (rank == 1));
  }
  CHECK(values(shards[0].model.weights.layers[0].o.bias) == values(whole.o.bias));
  CHECK(joined({shards[0].model.weights.layers[0].sinks, shards[1].model.weights.layers[0].sinks}) ==
        values(whole.sinks));
}

TEST_CASE("columns and rows of quantised matrices, and of rows that alternate, are cut where they are stored") {
  const Fixture gguf = load_fixture("gpt-oss-mxfp4", model::Layout::kGguf);
  const Fixture safetensors = load_fixture("gpt-oss-mxfp4");
  for (const Fixture* fixture : {&gguf, &safetensors}) {
    const model::Mlp& expert = fixture->model->weights.layers[1].experts[2];  // 96 columns: three blocks.
    for (const Tensor* tensor : {&expert.gate.weight, &expert.down.weight}) {
      for (std::int64_t part = 0; part < 3; ++part) {
        CHECK(values(slice_columns(*tensor, part, 3)) == columns_of(*tensor, 32 * part, 32 * part + 32));
      }
      const std::vector<float> all = values(*tensor);
      CHECK(values(slice_rows(*tensor, 40, 8)) == std::vector(all.begin() + 40 * 96, all.begin() + 48 * 96));
    }
  }
}

TEST_CASE("what so many GPUs cannot share is refused, and says why") {
  const Fixture llama = load_fixture("llama");
  CHECK_THROWS_AS(make_shard(*llama.model, 0, 4), UnsupportedModel);
  CHECK_THROWS_WITH(make_shard(*llama.model, 0, 4),
                    Catch::Contains("4 GPUs cannot share the model's 2 key/value heads evenly"));
  CHECK_NOTHROW(make_shard(*llama.model, 0, 1));

  model::Model mixture = *load_fixture("qwen3-moe").model;
  mixture.config.num_experts = 7;
  CHECK_THROWS_WITH(make_shard(mixture, 0, 2), Catch::Contains("7 experts"));

  model::Model odd = *llama.model;
  odd.config.intermediate_size = 159;
  CHECK_THROWS_WITH(make_shard(odd, 0, 2), Catch::Contains("159 rows of an MLP"));

  const Fixture quantised = load_fixture("llama", model::Layout::kGguf);
  model::Model blocks = *quantised.model;
  Tensor& down = blocks.weights.layers[0].experts[0].down.weight;
  down.type = model::DataType::kQ8_0;  // 160 columns: five blocks.
  down.name = "blk.0.ffn_down.weight";
  CHECK_THROWS_WITH(make_shard(blocks, 0, 2),
                    Catch::Contains("share the columns of blk.0.ffn_down.weight: they are stored in 5 blocks"));
}

TEST_CASE("a vocabulary that does not divide is everybody's") {
  model::Model model = *load_fixture("llama").model;
  model.weights.lm_head.shape.front() = 319;
  CHECK(make_shard(model, 1, 2).model.weights.lm_head.rows() == 319);
}

}  // namespace
}  // namespace gpuinfer::backend::cuda

// A model that can be served without weights: it goes on with the alphabet.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "runtime/backend/backend.hpp"
#include "runtime/server/served_model.hpp"
#include "runtime/text/small_tokenizer.hpp"

namespace gpuinfer::server {

/// After 'c' comes 'd', after 'z' 'a', after '!' the end of the reply, after anything else 'a'.
class AlphabetBackend : public backend::Backend {
 public:
  static constexpr TokenId kEnd = 261;

  /// `before_forward` runs before each step.
  explicit AlphabetBackend(std::function<void()> before_forward) : before_forward_(std::move(before_forward)) {}

  std::string description() const override { return "alphabet"; }
  std::int64_t vocab_size() const override { return 270; }  // A little more than the tokenizer has.
  std::int64_t max_position_embeddings() const override { return 512; }
  std::int64_t hidden_size() const override { return 4; }
  const std::vector<backend::KvGroup>& kv_groups() const override { return kv_groups_; }

  void forward(std::span<const backend::Slice> batch, std::span<float> logits, std::span<float> hidden,
               std::span<backend::SampledToken> /*sampled*/) override {
    if (before_forward_) before_forward_();
    for (const backend::Slice& slice : batch) {
      for (std::size_t i = 0; i < slice.tokens.size(); ++i) {
        const bool last = i + 1 == slice.tokens.size();
        if (slice.logits == backend::Logits::kAll || (slice.logits == backend::Logits::kLast && last)) {
          const auto row = take(logits, vocab_size());
          std::ranges::fill(row, 0.0F);
          row[static_cast<std::size_t>(after(slice.tokens[i]))] = 100;
        }
        // A token's hidden state is its id.
        if (slice.hidden) std::ranges::fill(take(hidden, hidden_size()), static_cast<float>(slice.tokens[i]));
      }
    }
  }

 private:
  static std::span<float> take(std::span<float>& rows, std::int64_t columns) {
    const auto row = rows.first(static_cast<std::size_t>(columns));
    rows = rows.subspan(row.size());
    return row;
  }

  static TokenId after(TokenId token) {
    if (token == '!') return kEnd;
    return token >= 'a' && token < 'z' ? token + 1 : 'a';
  }

  std::function<void()> before_forward_;
  std::vector<backend::KvGroup> kv_groups_ = {{.pages = 64}};
};

inline std::shared_ptr<ServedModel> alphabet_model(engine::EngineOptions options = {},
                                                   std::function<void()> before_forward = {}) {
  return std::make_shared<ServedModel>(ServedModel{
      .names = {"alphabet", "abc"},
      .text = ModelText{.tokenizer = text::Tokenizer(text::testing::small_spec()),
                        .chat_template =
                            text::ChatTemplate("{% for message in messages %}{{ message.content }}{% endfor %}"),
                        .no_chat_template_reason = "",
                        .bos = std::nullopt,
                        .eos = AlphabetBackend::kEnd,
                        .stop_ids = {AlphabetBackend::kEnd},
                        .add_bos = false},
      .stop_ids = {AlphabetBackend::kEnd},
      .engine = std::make_unique<engine::Engine>(std::make_unique<AlphabetBackend>(std::move(before_forward)),
                                                 std::move(options))});
}

}  // namespace gpuinfer::server

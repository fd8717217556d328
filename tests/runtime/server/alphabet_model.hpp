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
  std::int64_t kv_pages() const override { return 64; }

  void forward(std::span<const backend::Slice> batch, std::span<float> logits) override {
    if (before_forward_) before_forward_();
    for (const backend::Slice& slice : batch) {
      if (slice.logits == backend::Logits::kNone) continue;
      const auto row = logits.first(static_cast<std::size_t>(vocab_size()));
      std::ranges::fill(row, 0.0F);
      row[static_cast<std::size_t>(after(slice.tokens.back()))] = 100;
      logits = logits.subspan(row.size());
    }
  }

 private:
  static TokenId after(TokenId token) {
    if (token == '!') return kEnd;
    return token >= 'a' && token < 'z' ? token + 1 : 'a';
  }

  std::function<void()> before_forward_;
};

inline std::shared_ptr<ServedModel> alphabet_model(engine::EngineOptions options = {},
                                                   std::function<void()> before_forward = {}) {
  return std::make_shared<ServedModel>(ServedModel{
      .name = "alphabet",
      .text = {.tokenizer = text::Tokenizer(text::testing::small_spec()),
               .chat_template = text::ChatTemplate("{% for message in messages %}{{ message.content }}{% endfor %}"),
               .no_chat_template_reason = "",
               .bos = std::nullopt,
               .eos = AlphabetBackend::kEnd,
               .stop_ids = {AlphabetBackend::kEnd},
               .add_bos = false},
      .sampling_defaults = {},
      .engine = std::make_unique<engine::Engine>(std::make_unique<AlphabetBackend>(std::move(before_forward)),
                                                 std::move(options))});
}

}  // namespace gpuinfer::server

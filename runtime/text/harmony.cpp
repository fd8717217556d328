#include "runtime/text/harmony.hpp"

#include <utility>

#include "base/error.hpp"

namespace gpuinfer::text {
namespace {

constexpr std::string_view kChannel = "<|channel|>";
constexpr std::string_view kConstrain = "<|constrain|>";
constexpr std::string_view kRecipient = "to=";
constexpr std::string_view kFunctions = "functions.";

TokenId token_of(const Tokenizer& tokenizer, std::string_view content) {
  if (const auto id = tokenizer.token_id(content)) return *id;
  throw Error("the tokenizer has no token " + std::string(content) + ", so its model does not speak harmony");
}

/// What `text` begins with up to a blank or a special token, which is taken off it.
std::string_view take_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find_first_of(" <\n\t"));
  text.remove_prefix(word.size());
  return word;
}

}  // namespace

HarmonyHeader HarmonyHeader::parse(std::string_view header) {
  HarmonyHeader result;
  bool channel_follows = false;
  while (!header.empty()) {
    if (header.starts_with(kChannel)) {
      header.remove_prefix(kChannel.size());
      channel_follows = true;
    } else if (header.starts_with(kConstrain)) {
      break;  // the content's type, which is JSON wherever it matters
    } else if (header.starts_with(kRecipient)) {
      header.remove_prefix(kRecipient.size());
      result.recipient = take_word(header);
    } else if (const std::string_view word = take_word(header); word.empty()) {
      header.remove_prefix(1);
    } else if (channel_follows) {
      result.channel = word;
      channel_follows = false;
    } else if (result.role.empty()) {
      result.role = word;
    }
  }
  return result;
}

HarmonyParser::HarmonyParser(const Tokenizer& tokenizer)
    : tokenizer_(&tokenizer),
      start_(token_of(tokenizer, "<|start|>")),
      channel_(token_of(tokenizer, kChannel)),
      message_(token_of(tokenizer, "<|message|>")),
      end_(token_of(tokenizer, "<|end|>")),
      call_(token_of(tokenizer, "<|call|>")),
      return_(token_of(tokenizer, "<|return|>")),
      detokenizer_(tokenizer) {}

std::vector<HarmonyDelta> HarmonyParser::add(TokenId id) {
  std::vector<HarmonyDelta> deltas;
  if (id == message_ && !open_) {
    begin_message(deltas);
  } else if (id == start_ || id == end_ || id == call_ || id == return_) {
    end_message(deltas);
  } else if (id == channel_ && open_) {  // a message that neither ends nor begins
    end_message(deltas);
    header_ = kChannel;
  } else if (open_) {
    append(detokenizer_.add(id), deltas);
  } else {
    header_ += tokenizer_->token_bytes(id);
  }
  return deltas;
}

std::vector<HarmonyDelta> HarmonyParser::finish() {
  std::vector<HarmonyDelta> deltas;
  end_message(deltas);
  return deltas;
}

void HarmonyParser::begin_message(std::vector<HarmonyDelta>& deltas) {
  const HarmonyHeader header = HarmonyHeader::parse(std::exchange(header_, ""));
  if (!header.recipient.empty()) {
    open_ = HarmonyKind::kToolCall;
    const bool is_function = header.recipient.starts_with(kFunctions);
    deltas.push_back({*open_, "", header.recipient.substr(is_function ? kFunctions.size() : 0)});
    return;
  }
  open_ = header.channel == "analysis" ? HarmonyKind::kReasoning : HarmonyKind::kContent;
  const bool follows_another = *open_ == HarmonyKind::kReasoning ? had_reasoning_ : had_content_;
  if (follows_another) deltas.push_back({*open_, "\n", std::nullopt});
}

void HarmonyParser::end_message(std::vector<HarmonyDelta>& deltas) {
  if (open_) append(detokenizer_.finish(), deltas);
  open_.reset();
  header_.clear();
}

void HarmonyParser::append(std::string text, std::vector<HarmonyDelta>& deltas) {
  if (text.empty()) return;
  if (*open_ == HarmonyKind::kReasoning) had_reasoning_ = true;
  if (*open_ == HarmonyKind::kContent) had_content_ = true;
  deltas.push_back({*open_, std::move(text), std::nullopt});
}

}  // namespace gpuinfer::text

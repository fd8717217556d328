// Reads gpt-oss's replies, which come in channels: thoughts, the answer, and calls of tools.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/text/detokenizer.hpp"
#include "runtime/text/tokenizer.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::text {

/// What a part of a reply is, as vLLM maps it to chat completions (vllm/parser/harmony.py).
enum class HarmonyKind {
  kReasoning,  ///< the channel "analysis"
  kContent,    ///< "final", and what "commentary" says to the user
  kToolCall,   ///< any message to a tool
};

/// What is new in a reply.
struct HarmonyDelta {
  HarmonyKind kind = HarmonyKind::kContent;
  /// Whole characters; of a tool call, those of its arguments.
  std::string text;
  /// With this delta a call of the function of this name begins.
  std::optional<std::string> function;

  friend bool operator==(const HarmonyDelta&, const HarmonyDelta&) = default;
};

/// Who and what a message is for: "assistant to=functions.f<|channel|>commentary <|constrain|>json".
struct HarmonyHeader {
  std::string role;
  std::string channel;    ///< "" where there is none
  std::string recipient;  ///< "" where there is none

  /// The recipient may stand before or after the channel. Nothing is refused: a model wrote it.
  static HarmonyHeader parse(std::string_view header);
};

/// Follows openai/harmony docs/format.md, by token and not by text, so that a reply can write about its own format. It
/// is lenient: what a message lacks ends with the next one. One for each reply.
class HarmonyParser {
 public:
  /// The prompt ends in "<|start|>assistant". `tokenizer` outlives the parser. Throws Error where it lacks harmony's
  /// special tokens.
  explicit HarmonyParser(const Tokenizer& tokenizer);

  /// What `id` adds to the reply; often nothing. Throws Error for an id that is not in the vocabulary.
  std::vector<HarmonyDelta> add(TokenId id);

  /// What is left at the end.
  std::vector<HarmonyDelta> finish();

 private:
  void begin_message(std::vector<HarmonyDelta>& deltas);
  void end_message(std::vector<HarmonyDelta>& deltas);
  void append(std::string text, std::vector<HarmonyDelta>& deltas);

  const Tokenizer* tokenizer_;
  TokenId start_, channel_, message_, end_, call_, return_;
  Detokenizer detokenizer_;
  std::string header_ = "assistant";
  std::optional<HarmonyKind> open_;  // the message whose content comes; none while a header does
  bool had_reasoning_ = false;
  bool had_content_ = false;
};

}  // namespace gpuinfer::text

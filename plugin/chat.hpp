// A conversation with a model: the history, one streamed answer at a time, and how fast it came.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "plugin/server_connection.hpp"

namespace gpuinfer::plugin {

/// What a request may ask for; what is not set is the server's choice.
struct SamplingOptions {
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<int> max_tokens;
  std::optional<long long> seed;
};

/// How an answer came.
struct AnswerStats {
  int prompt_tokens = 0;
  int completion_tokens = 0;
  double first_token_seconds = 0;  ///< from sending the request to the first text
  double decode_seconds = 0;       ///< from the first text to the last
  std::string finish_reason;       ///< "stop", "length", or "interrupted" where the caller stopped it
};

/// "12 tokens, 34.5 tokens/s, first token after 0.21 s".
std::string describe(const AnswerStats& stats);

class Chat {
 public:
  /// `system` may be empty.
  Chat(ServerConnection& server, std::string model, std::string system, SamplingOptions options);

  /// Asks `prompt` in the conversation so far. The text goes to `on_text` as it comes; returning false interrupts the
  /// answer, and what came so far stays in the history. Throws Error where the server refuses, an error comes in the
  /// middle of the stream, or the stream ends early; the prompt is then taken out of the history again.
  AnswerStats ask(const std::string& prompt, const std::function<bool(std::string_view text)>& on_text);

  /// Forgets everything but the system prompt.
  void clear();
  /// Replaces the system prompt and forgets the conversation.
  void set_system(std::string system);
  const std::string& system() const { return system_; }
  /// The messages so far, as the API takes them.
  const Json& messages() const { return messages_; }

 private:
  AnswerStats stream_answer(std::string& answer, const std::function<bool(std::string_view)>& on_text);

  ServerConnection& server_;
  std::string model_;
  std::string system_;
  SamplingOptions options_;
  Json messages_ = Json::array();
};

}  // namespace gpuinfer::plugin

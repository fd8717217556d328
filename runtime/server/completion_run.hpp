// One completion request from its admission to its last byte, streamed or whole.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "runtime/server/completion_endpoint.hpp"
#include "runtime/server/event_stream.hpp"
#include "runtime/server/http_connection.hpp"
#include "runtime/server/metrics.hpp"
#include "runtime/server/served_model.hpp"
#include "runtime/server/text_stream.hpp"

namespace gpuinfer::server {

/// Ending it, at whatever point, cancels what still runs, counts it in the metrics and writes its line of the log.
class CompletionRun {
 public:
  /// Submits the request. Throws ApiError where it cannot be served: wrong (400), another model (404), a full queue
  /// (429), shutting down (503).
  CompletionRun(const CompletionEndpoint& endpoint, const Json& body, std::shared_ptr<const ServedModel> model,
                Metrics& metrics, std::string request_id);
  ~CompletionRun();
  CompletionRun(const CompletionRun&) = delete;
  CompletionRun& operator=(const CompletionRun&) = delete;

  bool streams() const { return params_.stream; }

  /// Waits for the whole reply. Null where the client left before. Throws ApiError.
  Json whole_reply(const HttpConnection& connection);

  /// Waits until a stream has its first text, to be called once before send_some(). What fails before that gets a
  /// status line of its own; and the Kubernetes API server's proxy, like any of Go's, breaks a connection on which the
  /// response begins before it has seen the end of the request. False where the client left before. Throws ApiError.
  bool wait_for_first_part(const HttpConnection& connection);

  /// Sends what there is, after waiting a little for it; to be called again while it returns true. False where the
  /// client left.
  bool send_some(httplib::DataSink& sink);

 private:
  /// One of the answers to one of the prompts.
  struct Choice {
    std::size_t prompt = 0;
    TextStream stream;
    RequestRecord record;
    std::vector<engine::Logprobs> prompt_logprobs = {};
    std::int64_t characters = 0;
    bool echoed = false;
    bool finished = false;
  };

  void submit();
  engine::GenerationRequest generation_request(const std::vector<TokenId>& prompt, std::int64_t choice) const;
  std::vector<ChoicePart> next_parts();
  ChoicePart next_part(std::size_t index);
  void echo_prompt(Choice& choice, ChoicePart& part) const;
  void record(Choice& choice, const TextPiece& piece);
  bool finished() const;
  bool send_part(EventStream& stream, const ChoicePart& part);
  bool send_chunk(EventStream& stream, Json choice);
  bool send_end(EventStream& stream);
  void add_details(Json& choice, const ChoicePart& part) const;
  void add_prompt_details(Json& reply) const;
  Json reply(std::string_view object, Json choices) const;
  Json usage() const;
  const text::Tokenizer* tokenizer() const { return model_->text ? &model_->text->tokenizer : nullptr; }

  const CompletionEndpoint& endpoint_;
  std::shared_ptr<const ServedModel> model_;
  Metrics& metrics_;
  std::string request_id_;
  std::string id_;
  std::time_t created_;
  CompletionParams params_;
  std::vector<std::vector<TokenId>> prompts_;
  std::vector<Choice> choices_;
  /// What went wrong, for the log.
  std::string failure_;
  std::vector<ChoicePart> first_parts_;
  std::vector<bool> sent_first_chunk_;
};

}  // namespace gpuinfer::server

#include "runtime/server/completion_run.hpp"

#include <chrono>
#include <ctime>
#include <utility>

#include "base/log.hpp"
#include "runtime/server/api_error.hpp"

namespace gpuinfer::server {
namespace {

/// How soon a client's leaving is noticed while no token comes.
constexpr std::chrono::milliseconds kConnectionCheck(50);

double milliseconds(engine::Clock::duration duration) {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::microseconds>(duration).count()) / 1000;
}

ApiError context_exceeded(std::int64_t prompt_tokens, std::int64_t max_model_len, std::string_view field) {
  return invalid_request("This model's context holds " + std::to_string(max_model_len) +
                             " tokens, one of them generated at least, but '" + std::string(field) + "' has " +
                             std::to_string(prompt_tokens) + ". Shorten it.",
                         std::string(field), "context_length_exceeded");
}

}  // namespace

CompletionRun::CompletionRun(const CompletionEndpoint& endpoint, const Json& body,
                             std::shared_ptr<const ServedModel> model, Metrics& metrics, std::string request_id)
    : endpoint_(endpoint),
      model_(std::move(model)),
      metrics_(metrics),
      request_id_(std::move(request_id)),
      id_(std::string(endpoint.id_prefix()) + request_id_),
      created_(std::time(nullptr)) {
  submit(endpoint.prepare(body, *model_));
}

CompletionRun::~CompletionRun() {
  metrics_.on_finish(record_);
  Json fields = {{"request_id", request_id_},
                 {"path", endpoint_.path()},
                 {"stream", params_.stream},
                 {"finished", record_.finished_reason},
                 {"prompt_tokens", record_.prompt_tokens},
                 {"completion_tokens", record_.completion_tokens}};
  if (record_.first_token) fields["first_token_ms"] = milliseconds(*record_.first_token - record_.arrived);
  fields["total_ms"] = milliseconds(engine::Clock::now() - record_.arrived);
  log(record_.finished_reason == "error" ? LogLevel::kError : LogLevel::kInfo, "completion", fields);
}

void CompletionRun::submit(PreparedCompletion prepared) {
  params_ = std::move(prepared.params);
  if (!params_.model.empty() && params_.model != model_->name) throw model_not_found(params_.model, model_->name);

  engine::Engine& engine = *model_->engine;
  record_.prompt_tokens = std::ssize(prepared.prompt);
  const std::string field(endpoint_.prompt_field());
  if (prepared.prompt.empty()) throw invalid_request("'" + field + "' is empty.", field);
  if (record_.prompt_tokens >= engine.max_model_len()) {
    throw context_exceeded(record_.prompt_tokens, engine.max_model_len(), field);
  }
  for (const TokenId token : prepared.prompt) {
    if (token >= engine.backend().vocab_size()) {
      throw invalid_request("'" + field + "' has token " + std::to_string(token) + ", but the vocabulary has " +
                                std::to_string(engine.backend().vocab_size()) + ".",
                            field);
    }
  }
  const std::int64_t room = engine.max_model_len() - record_.prompt_tokens;
  record_.max_tokens = std::min(room, params_.max_tokens.value_or(room));

  std::vector<TokenId> stop_tokens = params_.stop_token_ids;
  if (!params_.ignore_eos)
    stop_tokens.insert(stop_tokens.end(), model_->text.stop_ids.begin(), model_->text.stop_ids.end());
  try {
    text_.emplace(engine.submit({.prompt = std::move(prepared.prompt),
                                 .sampling = params_.sampling,
                                 .max_tokens = record_.max_tokens,
                                 .stop_tokens = std::move(stop_tokens)}),
                  model_->text.tokenizer, params_);
  } catch (const engine::QueueFull& error) {
    throw overloaded(std::string("The server has too many requests: ") + error.what() + ".");
  } catch (const engine::Draining&) {
    throw unavailable("The server is shutting down.");
  }
}

Json CompletionRun::whole_reply(const HttpConnection& connection) {
  std::string text;
  while (true) {
    TextPiece piece = next_piece();
    text += piece.text;
    if (piece.finished) {
      Json whole = reply(endpoint_.object(), Json::array({endpoint_.choice(text, *piece.finished)}));
      whole["usage"] = usage();
      return whole;
    }
    if (connection.is_gone()) return nullptr;
  }
}

bool CompletionRun::wait_for_first_piece(const HttpConnection& connection) {
  while (true) {
    first_piece_ = next_piece();
    if (!first_piece_->text.empty() || first_piece_->finished) return true;
    if (connection.is_gone()) return false;
  }
}

bool CompletionRun::send_some(httplib::DataSink& sink) {
  EventStream stream(sink);
  if (!std::exchange(sent_first_chunk_, true)) {
    const Json first = endpoint_.first_chunk_choice();
    if (!first.is_null() && !send_chunk(stream, first)) return false;
  }
  try {
    const TextPiece piece = first_piece_ ? *std::exchange(first_piece_, std::nullopt) : next_piece();
    if (!piece.text.empty() && !send_chunk(stream, endpoint_.chunk_choice(piece.text))) return false;
    return piece.finished ? send_end(stream, *piece.finished) : sink.is_writable();
  } catch (const ApiError& error) {
    // The status line has been sent: the error can only be an event.
    return stream.send(error.body()) && stream.end();
  }
}

/// Throws ApiError where the generation failed.
TextPiece CompletionRun::next_piece() {
  try {
    TextPiece piece = text_->next(kConnectionCheck);
    record(piece);
    return piece;
  } catch (const Error& error) {
    record_.finished_reason = "error";
    throw server_error(std::string("The generation failed: ") + error.what() + ".");
  }
}

void CompletionRun::record(const TextPiece& piece) {
  record_.scheduled = text_->scheduled_time();
  record_.completion_tokens += std::ssize(piece.tokens);
  for (const engine::GeneratedToken& token : piece.tokens) {
    if (record_.first_token) {
      metrics_.on_token(token.time - record_.last_token);
    } else {
      record_.first_token = token.time;
    }
    record_.last_token = token.time;
  }
  if (piece.finished) record_.finished_reason = to_string(*piece.finished);
}

bool CompletionRun::send_chunk(EventStream& stream, Json choice) {
  Json chunk = reply(endpoint_.chunk_object(), Json::array({std::move(choice)}));
  if (params_.include_usage) chunk["usage"] = nullptr;
  return stream.send(chunk);
}

bool CompletionRun::send_end(EventStream& stream, engine::FinishReason reason) {
  if (!send_chunk(stream, endpoint_.last_chunk_choice(reason))) return false;
  if (params_.include_usage) {
    Json chunk = reply(endpoint_.chunk_object(), Json::array());
    chunk["usage"] = usage();
    if (!stream.send(chunk)) return false;
  }
  return stream.end();
}

Json CompletionRun::reply(std::string_view object, Json choices) const {
  return {
      {"id", id_}, {"object", object}, {"created", created_}, {"model", model_->name}, {"choices", std::move(choices)}};
}

Json CompletionRun::usage() const {
  return {{"prompt_tokens", record_.prompt_tokens},
          {"completion_tokens", record_.completion_tokens},
          {"total_tokens", record_.prompt_tokens + record_.completion_tokens}};
}

}  // namespace gpuinfer::server

#include "runtime/server/completion_run.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <iterator>
#include <utility>

#include "base/log.hpp"
#include "runtime/server/api_error.hpp"
#include "runtime/server/prompts.hpp"
#include "runtime/server/submission.hpp"
#include "runtime/server/token_text.hpp"
#include "runtime/text/utf8.hpp"

namespace gpuinfer::server {
namespace {

/// How soon a client's leaving is noticed while no token comes.
constexpr std::chrono::milliseconds kConnectionCheck(50);

double milliseconds(engine::Clock::duration duration) {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::microseconds>(duration).count()) / 1000;
}

/// The tokens that a word ends with, wherever it stands: after a space and without one.
std::vector<std::vector<TokenId>> encode_bad_words(const std::vector<std::string>& words, const ServedModel& model) {
  std::vector<std::vector<TokenId>> sequences;
  for (const std::string& word : words) {
    if (!model.text) throw invalid_request("This server runs without a tokenizer.", "bad_words");
    for (const char* before : {"", " "}) {
      std::vector<TokenId> tokens = model.text->tokenizer.encode(before + word);
      if (!tokens.empty()) sequences.push_back(std::move(tokens));
    }
  }
  return sequences;
}

void require_known(const std::vector<TokenId>& tokens, const ServedModel& model, const std::string& field) {
  const std::int64_t vocab_size = model.engine->backend().vocab_size();
  for (const TokenId token : tokens) {
    if (token < vocab_size) continue;
    throw invalid_request("'" + field + "' has token " + std::to_string(token) + ", but the vocabulary has " +
                              std::to_string(vocab_size) + ".",
                          field);
  }
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
  check_model(body, *model_);
  PreparedCompletion prepared = endpoint.prepare(body, *model_);
  params_ = std::move(prepared.params);
  prompts_ = std::move(prepared.prompts);
  submit();
}

CompletionRun::~CompletionRun() {
  if (choices_.empty()) return;  // It was refused.
  const RequestRecord& first = choices_.front().record;
  RequestRecord sum = first;
  for (const Choice& choice : choices_) {
    metrics_.on_finish(choice.record);
    if (&choice == &choices_.front()) continue;
    sum.completion_tokens += choice.record.completion_tokens;
    // One that failed says more than one that was left, and that more than one that ended well.
    if (!choice.finished && sum.finished_reason != "error") sum.finished_reason = choice.record.finished_reason;
  }
  metrics_.on_request(static_cast<std::int64_t>(choices_.size()));
  Json fields = {{"request_id", request_id_},          {"path", endpoint_.path()},
                 {"stream", params_.stream},           {"finished", sum.finished_reason},
                 {"prompt_tokens", sum.prompt_tokens}, {"completion_tokens", sum.completion_tokens}};
  if (choices_.size() > 1) fields["choices"] = choices_.size();
  if (first.first_token) fields["first_token_ms"] = milliseconds(*first.first_token - first.arrived);
  fields["total_ms"] = milliseconds(engine::Clock::now() - first.arrived);
  if (!failure_.empty()) fields["error"] = failure_;
  log(sum.finished_reason == "error" ? LogLevel::kError : LogLevel::kInfo, "completion", fields);
}

void CompletionRun::submit() {
  engine::Engine& engine = *model_->engine;
  const std::string field(endpoint_.prompt_field());
  if (!model_->text && !params_.stop.empty()) {
    throw invalid_request("This server runs without a tokenizer: use 'stop_token_ids'.", "stop");
  }
  require_known(params_.stop_token_ids, *model_, "stop_token_ids");
  require_known(params_.adjustments.allowed_tokens, *model_, "allowed_token_ids");
  params_.adjustments.bad_words = encode_bad_words(params_.bad_words, *model_);
  const std::int64_t choices = params_.n * std::ssize(prompts_);
  if (choices > engine.capacity()) {
    throw invalid_request("The request asks for " + std::to_string(choices) +
                              " answers at once, and the server takes " + std::to_string(engine.capacity()) + ".",
                          params_.n > 1 ? "n" : field);
  }
  std::vector<engine::GenerationRequest> requests;
  for (std::vector<TokenId>& prompt : prompts_) {
    if (params_.truncate_prompt_tokens) truncate(prompt, *params_.truncate_prompt_tokens, *model_);
    check_prompt(prompt, *model_, 1, field);
    for (std::int64_t i = 0; i < params_.n; ++i) requests.push_back(generation_request(prompt, i));
  }
  std::vector<std::int64_t> max_tokens;
  for (const engine::GenerationRequest& request : requests) max_tokens.push_back(request.max_tokens);
  std::vector<engine::Generation> generations = server::submit(engine, std::move(requests));
  for (std::size_t i = 0; i < generations.size(); ++i) {
    Choice& choice = choices_.emplace_back(Choice{.prompt = i / static_cast<std::size_t>(params_.n),
                                                  .stream = TextStream(std::move(generations[i]), tokenizer(), params_),
                                                  .record = {}});
    choice.record.prompt_tokens = std::ssize(prompts_[choice.prompt]);
    choice.record.max_tokens = max_tokens[i];
  }
  sent_first_chunk_.resize(choices_.size());
}

engine::GenerationRequest CompletionRun::generation_request(const std::vector<TokenId>& prompt,
                                                            std::int64_t choice) const {
  const std::int64_t room = model_->engine->max_model_len() - std::ssize(prompt);
  engine::GenerationRequest request{.prompt = prompt,
                                    .sampling = params_.sampling,
                                    .adjustments = params_.adjustments,
                                    .max_tokens = std::min(room, params_.max_tokens.value_or(room)),
                                    .stop_tokens = params_.stop_token_ids,
                                    .logprobs = params_.logprobs,
                                    .prompt_logprobs = params_.prompt_logprobs,
                                    .priority = params_.priority,
                                    .cache_salt = params_.cache_salt};
  request.sampling.seed += static_cast<std::uint64_t>(choice);
  if (params_.echo && params_.logprobs) request.prompt_logprobs = params_.logprobs;
  if (!params_.ignore_eos) {
    request.stop_tokens.insert(request.stop_tokens.end(), model_->stop_ids.begin(), model_->stop_ids.end());
  }
  const std::chrono::milliseconds timeout = params_.timeout.value_or(model_->request_timeout);
  if (timeout.count() > 0) request.deadline = engine::Clock::now() + timeout;
  return request;
}

Json CompletionRun::whole_reply(const HttpConnection& connection) {
  std::vector<ChoicePart> whole(choices_.size());
  while (!finished()) {
    for (ChoicePart& part : next_parts()) {
      ChoicePart& all = whole[part.index];
      all.index = part.index;
      all.text += part.text;
      std::ranges::move(part.tokens, std::back_inserter(all.tokens));
      all.finished = part.finished;
    }
    if (!finished() && connection.is_gone()) return nullptr;
  }
  Json choices = Json::array();
  for (const ChoicePart& part : whole) {
    Json choice = endpoint_.choice(part);
    add_details(choice, part);
    choices.push_back(std::move(choice));
  }
  Json body = reply(endpoint_.object(), std::move(choices));
  add_prompt_details(body);
  body["usage"] = usage();
  return body;
}

bool CompletionRun::wait_for_first_part(const HttpConnection& connection) {
  while (true) {
    first_parts_ = next_parts();
    if (!first_parts_.empty()) return true;
    if (connection.is_gone()) return false;
  }
}

bool CompletionRun::send_some(httplib::DataSink& sink) {
  EventStream stream(sink);
  try {
    std::vector<ChoicePart> parts = std::exchange(first_parts_, {});
    if (parts.empty()) parts = next_parts();
    for (const ChoicePart& part : parts) {
      if (!send_part(stream, part)) return false;
    }
    return finished() ? send_end(stream) : sink.is_writable();
  } catch (const ApiError& error) {
    // The status line has been sent: the error can only be an event.
    return stream.send(error.body()) && stream.end();
  }
}

bool CompletionRun::finished() const { return std::ranges::all_of(choices_, &Choice::finished); }

/// What is new in those choices that have something to show, after waiting a little for it. Throws ApiError where one
/// has failed.
std::vector<ChoicePart> CompletionRun::next_parts() {
  std::vector<const engine::Generation*> running;
  for (const Choice& choice : choices_) {
    if (!choice.finished) running.push_back(choice.stream.generation());
  }
  engine::Generation::wait_for_any(running, kConnectionCheck);
  std::vector<ChoicePart> parts;
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    if (choices_[i].finished) continue;
    ChoicePart part = next_part(i);
    const bool shows_tokens = !part.tokens.empty() && (params_.logprobs || params_.return_token_ids);
    if (!part.text.empty() || shows_tokens || part.finished) parts.push_back(std::move(part));
  }
  return parts;
}

ChoicePart CompletionRun::next_part(std::size_t index) {
  Choice& choice = choices_[index];
  TextPiece piece;
  try {
    piece = choice.stream.next(engine::Clock::duration::zero());
  } catch (const engine::DeadlineExceeded&) {
    choice.record.finished_reason = "abort";
    failure_ = "the request's time was up";
    throw deadline_exceeded();
  } catch (const Error& error) {
    choice.record.finished_reason = "error";
    failure_ = error.what();
    throw server_error(std::string("The generation failed: ") + error.what() + ".");
  }
  record(choice, piece);
  ChoicePart part{.index = index, .text_offset = choice.characters, .finished = piece.finished};
  const bool begins = !piece.tokens.empty() || piece.finished;
  if (params_.echo && begins && !std::exchange(choice.echoed, true)) echo_prompt(choice, part);
  part.text += piece.text;
  for (engine::GeneratedToken& token : piece.tokens) part.tokens.push_back({token.id, std::move(token.logprobs)});
  choice.characters += static_cast<std::int64_t>(text::count_characters(part.text));
  return part;
}

void CompletionRun::echo_prompt(Choice& choice, ChoicePart& part) const {
  const std::vector<TokenId>& prompt = prompts_[choice.prompt];
  std::vector<TokenId> known;
  for (const TokenId token : prompt) {
    if (tokenizer() && static_cast<std::size_t>(token) < tokenizer()->vocab_size()) known.push_back(token);
  }
  if (tokenizer()) part.text = tokenizer()->decode(known);
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    ReplyToken& token = part.tokens.emplace_back(ReplyToken{.id = prompt[i]});
    if (i > 0 && i <= choice.prompt_logprobs.size()) token.logprobs = choice.prompt_logprobs[i - 1];
  }
}

void CompletionRun::record(Choice& choice, const TextPiece& piece) {
  RequestRecord& record = choice.record;
  if (const auto& start = choice.stream.start()) {
    record.scheduled = start->time;
    record.cached_tokens = start->cached_tokens;
  }
  std::ranges::copy(piece.prompt_logprobs, std::back_inserter(choice.prompt_logprobs));
  record.completion_tokens += std::ssize(piece.tokens);
  for (const engine::GeneratedToken& token : piece.tokens) {
    if (record.first_token) {
      metrics_.on_token(token.time - record.last_token);
    } else {
      record.first_token = token.time;
    }
    record.last_token = token.time;
  }
  if (!piece.finished) return;
  record.finished_reason = to_string(*piece.finished);
  choice.finished = true;
}

bool CompletionRun::send_part(EventStream& stream, const ChoicePart& part) {
  if (!sent_first_chunk_[part.index]) {
    const Json first = endpoint_.first_chunk_choice(part.index);
    if (!first.is_null() && !send_chunk(stream, first)) return false;
  }
  ChoicePart news = part;
  news.finished.reset();
  if (!news.text.empty() || !news.tokens.empty()) {
    Json choice = endpoint_.chunk_choice(news);
    add_details(choice, news);
    if (!sent_first_chunk_[part.index] && params_.return_token_ids) {
      choice["prompt_token_ids"] = prompts_[choices_[part.index].prompt];
    }
    if (!send_chunk(stream, std::move(choice))) return false;
  }
  sent_first_chunk_[part.index] = true;
  return !part.finished || send_chunk(stream, endpoint_.chunk_choice({.index = part.index, .finished = part.finished}));
}

bool CompletionRun::send_chunk(EventStream& stream, Json choice) {
  Json chunk = reply(endpoint_.chunk_object(), Json::array({std::move(choice)}));
  if (params_.continuous_usage_stats) {
    chunk["usage"] = usage();
  } else if (params_.include_usage) {
    chunk["usage"] = nullptr;
  }
  return stream.send(chunk);
}

bool CompletionRun::send_end(EventStream& stream) {
  if (params_.include_usage) {
    Json chunk = reply(endpoint_.chunk_object(), Json::array());
    chunk["usage"] = usage();
    if (!stream.send(chunk)) return false;
  }
  return stream.end();
}

void CompletionRun::add_details(Json& choice, const ChoicePart& part) const {
  if (params_.logprobs) choice["logprobs"] = endpoint_.logprobs(part, tokenizer());
  if (!params_.return_token_ids) return;
  Json ids = Json::array();
  for (const ReplyToken& token : part.tokens) ids.push_back(token.id);
  choice["token_ids"] = std::move(ids);
}

/// What a whole reply tells of its prompts.
void CompletionRun::add_prompt_details(Json& reply) const {
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    Json& place = endpoint_.about_prompt(reply, i);
    const Choice& choice = choices_[i];
    if (params_.return_token_ids) place["prompt_token_ids"] = prompts_[choice.prompt];
    if (params_.prompt_logprobs) {
      place["prompt_logprobs"] = prompt_logprobs_json(choice.prompt_logprobs, tokenizer());
    }
  }
}

Json CompletionRun::reply(std::string_view object, Json choices) const {
  return {{"id", id_},
          {"object", object},
          {"created", created_},
          {"model", model_->name()},
          {"choices", std::move(choices)}};
}

Json CompletionRun::usage() const {
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;
  std::int64_t completion_tokens = 0;
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    const RequestRecord& record = choices_[i].record;
    completion_tokens += record.completion_tokens;
    if (i % static_cast<std::size_t>(params_.n) != 0) continue;  // The others share its prompt.
    prompt_tokens += record.prompt_tokens;
    cached_tokens += record.cached_tokens;
  }
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", completion_tokens},
          {"total_tokens", prompt_tokens + completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", cached_tokens}}}};
}

}  // namespace gpuinfer::server

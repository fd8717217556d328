#include "runtime/engine/engine.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <utility>

#include "base/log.hpp"
#include "runtime/engine/random.hpp"

namespace gpuinfer::engine {
namespace {

/// Rows of logits for a whole chunk of a prompt take memory: 200,000 floats each.
constexpr std::int64_t kMaxPromptLogprobsSlice = 32;

/// From one trial of a broken backend to the next.
constexpr std::chrono::seconds kTrialInterval(1);

/// The options with max_model_len settled. Throws Error where the pages cannot hold one sequence of that length.
EngineOptions settle(EngineOptions options, const backend::Backend& backend) {
  const std::int64_t model = backend.max_position_embeddings();
  const backend::KvGroup& first = backend.kv_groups().front();
  const std::int64_t cache = first.sliding_window ? model : first.pages * backend::kPageTokens;
  if (options.max_model_len == 0) options.max_model_len = std::min(model, cache);
  if (options.max_model_len < 2 || options.max_model_len > model) {
    throw Error("a context of " + std::to_string(options.max_model_len) +
                    " tokens is outside what the model was made for, 2 to " + std::to_string(model),
                "Choose another --max-model-len.");
  }
  if (!KvCache(backend.kv_groups()).can_hold(options.max_model_len, options.limits.max_batch_tokens)) {
    throw Error("a context of " + std::to_string(options.max_model_len) + " tokens does not fit into a KV cache of " +
                    std::to_string(cache) + " tokens",
                "Raise --kv-cache-tokens or lower --max-model-len.");
  }
  const std::int64_t vocab_size = backend.vocab_size();
  if (options.generated_vocab_size <= 0) options.generated_vocab_size = vocab_size;
  options.generated_vocab_size = std::min(options.generated_vocab_size, vocab_size);
  return options;
}

Error not_finite() {
  return Error("the model computed a logit that is not a finite number",
               "The weights are damaged, or their type overflows: check the file's checksum.");
}

/// For a client's thread: when this returns, nothing else refers to it. A copy of an exception shares its text.
template <typename Failure>
std::exception_ptr make_failure(const std::string& what, const std::string& remedy = "") {
  return std::make_exception_ptr(Failure(what, remedy));
}

Error none_allowed() { return Error("the request's parameters leave no token that may come next"); }

/// What a backend sampled. Throws Error where that is no token.
TokenId token_of(const backend::SampledToken& sampled) {
  if (sampled.id == backend::SampledToken::kNotFinite) throw not_finite();
  if (sampled.id == backend::SampledToken::kNoneAllowed) throw none_allowed();
  return sampled.id;
}

/// Rows of logits for a slice of so many tokens.
std::int64_t rows_of(backend::Logits logits, std::int64_t tokens) {
  return logits == backend::Logits::kAll ? tokens : logits == backend::Logits::kLast ? 1 : 0;
}

/// The first `count` numbers, which `numbers` has no more then.
std::span<const float> take_first(std::span<const float>& numbers, std::int64_t count) {
  const auto size = static_cast<std::size_t>(count);
  const std::span<const float> first = numbers.first(size);
  numbers = numbers.subspan(size);
  return first;
}

/// Adds a row to `sum`.
void accumulate(std::span<const float> row, std::vector<float>& sum) {
  sum.resize(row.size());
  std::ranges::transform(row, sum, sum.begin(), std::plus<>());
}

/// The vector of length 1 in the same direction.
std::vector<float> normalized(std::vector<float> vector) {
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * static_cast<double>(value);
  const auto scale = static_cast<float>(squares > 0 ? 1 / std::sqrt(squares) : 0);
  for (float& value : vector) value *= scale;
  return vector;
}

}  // namespace

/// A request inside the step loop.
struct Engine::Request {
  Request(std::uint64_t id, GenerationRequest request, std::shared_ptr<TokenQueue> token_queue)
      : sequence(id, std::move(request.prompt), request.cache_salt),
        wanted(std::move(request)),
        prompt_tokens(std::ssize(sequence.tokens)),
        queue(std::move(token_queue)) {
    sequence.priority = wanted.priority;
    sequence.reuse_prefix = !wanted.prompt_logprobs && !wanted.embedding;
    if (wanted.prompt_logprobs) sequence.max_slice_tokens = kMaxPromptLogprobsSlice;
  }

  std::span<const TokenId> prompt() const {
    return std::span(sequence.tokens).first(static_cast<std::size_t>(prompt_tokens));
  }
  std::span<const TokenId> generated() const {
    return std::span(sequence.tokens).subspan(static_cast<std::size_t>(prompt_tokens));
  }
  History history() const {
    return {
        .prompt = prompt(), .generated = generated(), .stop_tokens = wanted.stop_tokens, .promised = sequence.promised};
  }
  /// That are known, or will be after the steps under way.
  std::int64_t generated_tokens() const { return std::ssize(generated()) + sequence.promised; }
  /// Whether the sequence can go on before the token after those is known.
  bool can_promise() const { return generated_tokens() + 1 < wanted.max_tokens && !wanted.adjustments.look_back(); }

  Sequence sequence;
  /// Without the prompt, which the sequence has.
  GenerationRequest wanted;
  std::int64_t prompt_tokens;
  std::int64_t prompt_tokens_seen = 0;
  std::int64_t prompt_logprobs_given = 0;
  bool started = false;
  std::int64_t pooled_tokens = 0;
  std::vector<float> pooled;
  /// Where the last token that was promised comes among those of its step.
  std::size_t promised_place = 0;
  /// What a backend that samples is told, and what that refers to.
  backend::TokenSampling token_sampling;
  std::vector<backend::LogitEdit> edits;
  std::vector<std::uint32_t> allowed;
  std::shared_ptr<TokenQueue> queue;
};

Engine::Engine(std::unique_ptr<backend::Backend> backend, EngineOptions options)
    : backend_(std::move(backend)),
      options_(settle(std::move(options), *backend_)),
      kv_(backend_->kv_groups(), options_.reuse_prefixes),
      scheduler_(kv_, options_.limits) {
  loop_ = std::thread([this] { run(); });
}

Engine::~Engine() { stop(); }

void Engine::stop() {
  if (!loop_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    draining_ = true;
    stopping_ = true;
  }
  work_.notify_one();
  loop_.join();
}

Generation Engine::submit(GenerationRequest request) {
  std::vector<GenerationRequest> requests;
  requests.push_back(std::move(request));
  return std::move(submit(std::move(requests)).front());
}

std::vector<Generation> Engine::submit(std::vector<GenerationRequest> requests) {
  for (const GenerationRequest& request : requests) check(request);
  const auto doorbell = std::make_shared<Doorbell>();
  std::vector<Generation> generations;
  {
    const std::lock_guard lock(mutex_);
    if (draining_) throw Draining("the server is shutting down", "Send the request to another replica.");
    if (!statistics_.failure.empty()) {
      throw BackendBroken("the model cannot be computed: " + statistics_.failure,
                          "Send the request to another replica.");
    }
    const std::int64_t unfinished = statistics_.running + statistics_.waiting;
    if (unfinished + std::ssize(requests) > capacity()) {
      throw QueueFull("the queue is full: " + std::to_string(unfinished) + " requests are running or waiting",
                      "Try again later, or add replicas.");
    }
    for (GenerationRequest& request : requests) {
      request.max_tokens = std::min(request.max_tokens, max_model_len() - std::ssize(request.prompt));
      auto queue = std::make_shared<TokenQueue>(doorbell);
      incoming_.push_back(std::make_unique<Request>(next_id_++, std::move(request), queue));
      ++statistics_.waiting;
      generations.emplace_back(std::move(queue));
    }
  }
  work_.notify_one();
  return generations;
}

void Engine::check(const GenerationRequest& request) const {
  const std::int64_t length = std::ssize(request.prompt);
  const std::int64_t longest = request.embedding ? max_model_len() : max_model_len() - 1;
  if (length == 0) throw Error("the prompt is empty");
  if (length > longest) {
    throw Error("the prompt has " + std::to_string(length) + " tokens, and the context holds " +
                std::to_string(max_model_len()) + " with at least one that is generated");
  }
  if (request.max_tokens < 1 && !request.embedding) throw Error("max_tokens is below 1");
  for (const TokenId token : request.prompt) {
    if (token < 0 || token >= backend_->vocab_size()) {
      throw Error("token " + std::to_string(token) + " is not in the vocabulary of " +
                  std::to_string(backend_->vocab_size()));
    }
  }
}

EngineStatistics Engine::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

void Engine::drain() {
  const std::lock_guard lock(mutex_);
  draining_ = true;
}

bool Engine::wait_until_idle(Clock::duration timeout) const {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, timeout, [this] { return statistics_.running + statistics_.waiting == 0; });
}

void Engine::run() {
  while (wait_for_work()) {
    drop_departed();
    if (!requests_.empty() || has_steps_underway()) {
      step();
    } else if (!failure_.empty()) {
      try_backend();
    }
    publish_statistics();
  }
  for (const auto& [id, request] : requests_) {
    request->queue->fail(make_failure<GenerationFailed>("the server is shutting down"));
  }
  requests_.clear();
  try {
    for (; has_steps_underway(); ++finished_) backend_->finish();
  } catch (const std::exception&) {
    // Nobody waits for their results; but until then they may be written to steps_.
  }
}

/// Takes in what was submitted. False when the engine ends.
bool Engine::wait_for_work() {
  std::vector<std::unique_ptr<Request>> arrived;
  bool stopping = false;
  {
    std::unique_lock lock(mutex_);
    const auto has_work = [this] {
      return stopping_ || !incoming_.empty() || !requests_.empty() || has_steps_underway();
    };
    if (failure_.empty()) {
      work_.wait(lock, has_work);
    } else {
      work_.wait_for(lock, kTrialInterval, has_work);
    }
    arrived.swap(incoming_);
    stopping = stopping_;
  }
  for (std::unique_ptr<Request>& request : arrived) {
    scheduler_.add(request->sequence);
    requests_.emplace(request->sequence.id, std::move(request));
  }
  return !stopping;
}

/// Ends requests that nobody waits for any more.
void Engine::drop_departed() {
  const Clock::time_point now = Clock::now();
  std::vector<std::uint64_t> cancelled;
  std::vector<std::uint64_t> late;
  for (const auto& [id, request] : requests_) {
    if (request->queue->cancelled()) {
      cancelled.push_back(id);
    } else if (request->wanted.deadline && *request->wanted.deadline <= now) {
      late.push_back(id);
    }
  }
  for (const std::uint64_t id : cancelled) finish(id);
  for (const std::uint64_t id : late) {
    fail(id, make_failure<DeadlineExceeded>("the request's time is up", "Allow more, or ask for less."));
  }
}

/// Begins a step, and ends the one before it; with nothing more to begin, or where the backend cannot compute
/// meanwhile, ends all.
void Engine::step() {
  const bool begun = begin_step();
  const std::uint64_t left = begun && backend_->runs_ahead() ? 1 : 0;
  while (begun_ - finished_ > left) finish_step();
}

/// False where there is nothing to compute, or the backend fails.
bool Engine::begin_step() {
  const Step step = scheduler_.schedule();
  if (step.slices.empty()) return false;
  StepUnderway& underway = this->underway(begun_++);
  underway.report = {.preempted = step.preempted};
  start(step, underway.report);
  try {
    begin(step, underway);
  } catch (const std::exception& error) {
    lose_steps(error);
    return false;
  }
  return true;
}

void Engine::finish_step() {
  StepUnderway& step = underway(finished_);
  try {
    backend_->finish();
  } catch (const std::exception& error) {
    return lose_steps(error);
  }
  ++finished_;
  note_failure("");
  emit(step);
  if (options_.on_step) options_.on_step(step.report);
}

/// Fails the requests of all steps under way.
void Engine::lose_steps(const std::exception& error) {
  std::size_t requests = 0;
  for (; has_steps_underway(); ++finished_) {
    for (const Part& part : underway(finished_).parts) {
      if (!requests_.contains(part.request)) continue;
      fail(part.request, make_failure<GenerationFailed>(error.what(), "See the server's log."));
      ++requests;
    }
  }
  log(LogLevel::kError, "a step failed", {{"error", error.what()}, {"requests", requests}});
  scheduler_.start_over();
  try_backend();
}

void Engine::start(const Step& step, StepReport& report) {
  const Clock::time_point now = Clock::now();
  for (const ScheduledSlice& slice : step.slices) {
    Request& request = *requests_.at(slice.sequence->id);
    if (std::exchange(request.started, true)) continue;
    request.queue->start({.time = now, .cached_tokens = request.sequence.reused_tokens});
    report.prefix_queries += request.prompt_tokens;
    report.prefix_hits += request.sequence.reused_tokens;
  }
}

void Engine::begin(const Step& step, StepUnderway& underway) {
  // In place of a token that is promised.
  static constexpr TokenId kUnknown[] = {0};
  std::vector<backend::Slice> batch;
  std::vector<std::vector<backend::PageTable>> page_tables;
  batch.reserve(step.slices.size());
  page_tables.reserve(step.slices.size());
  underway.parts.clear();
  std::int64_t logits_rows = 0;
  std::int64_t hidden_rows = 0;
  std::size_t tokens_to_sample = 0;
  for (const ScheduledSlice& slice : step.slices) {
    Request& request = *requests_.at(slice.sequence->id);
    Sequence& sequence = request.sequence;
    const Part& part = underway.parts.emplace_back(describe(request, slice));
    backend::Slice& described = batch.emplace_back();
    described.position = part.position;
    described.page_tables = page_tables.emplace_back(sequence.page_tables.begin(), sequence.page_tables.end());
    described.logits = part.logits;
    described.hidden = part.hidden;
    if (part.position < std::ssize(sequence.tokens)) {
      described.tokens = std::span(sequence.tokens)
                             .subspan(static_cast<std::size_t>(part.position), static_cast<std::size_t>(part.tokens));
    } else {
      described.tokens = kUnknown;
      described.follows = request.promised_place;
    }
    if (part.samples) described.sampling = &describe_sampling(request);
    if (part.promised) {
      ++sequence.promised;
      request.promised_place = tokens_to_sample;
    }
    logits_rows += rows_of(part.logits, part.tokens);
    hidden_rows += part.hidden ? part.tokens : 0;
    tokens_to_sample += part.samples ? 1 : 0;
  }
  underway.logits.resize(static_cast<std::size_t>(logits_rows * backend_->vocab_size()));
  underway.hidden.resize(static_cast<std::size_t>(hidden_rows * backend_->hidden_size()));
  underway.sampled.resize(tokens_to_sample);
  backend_->begin(batch, underway.logits, underway.hidden, underway.sampled);
  for (const ScheduledSlice& slice : step.slices) kv_.advance(*slice.sequence, slice.tokens);
}

Engine::Part Engine::describe(const Request& request, const ScheduledSlice& slice) const {
  const Sequence& sequence = request.sequence;
  const bool wants_token = slice.reaches_end() && !request.wanted.embedding;
  const bool samples = wants_token && backend_->samples();
  // A sequence that was preempted comes to the same tokens again.
  const std::int64_t last_seen = std::max(sequence.computed, request.prompt_logprobs_given);
  const bool looks_at_prompt =
      request.wanted.prompt_logprobs && !request.wanted.embedding && last_seen + 1 < request.prompt_tokens;
  const bool looks_at_row = wants_token && (!samples || request.wanted.logprobs.value_or(0) > 0);
  backend::Logits logits = looks_at_row ? backend::Logits::kLast : backend::Logits::kNone;
  if (looks_at_prompt) logits = backend::Logits::kAll;
  return {.request = sequence.id,
          .position = sequence.computed,
          .tokens = slice.tokens,
          .logits = logits,
          .hidden = request.wanted.embedding.has_value(),
          .wants_token = wants_token,
          .samples = samples,
          .promised = samples && backend_->runs_ahead() && request.can_promise()};
}

/// For the token after those that the request has, or will have.
const backend::TokenSampling& Engine::describe_sampling(Request& request) const {
  const SamplingParams& params = request.wanted.sampling;
  const LogitAdjustments& adjustments = request.wanted.adjustments;
  request.edits = edits_of(adjustments, request.history());
  if (request.allowed.empty()) request.allowed = allowed_mask(adjustments, backend_->vocab_size());
  request.token_sampling = {.number = uniform(params.seed, static_cast<std::uint64_t>(request.generated_tokens())),
                            .temperature = params.temperature,
                            .min_p = params.min_p,
                            .top_k = params.top_k,
                            .top_p = params.top_p,
                            .repetition_penalty = adjustments.repetition_penalty,
                            .presence_penalty = adjustments.presence_penalty,
                            .frequency_penalty = adjustments.frequency_penalty,
                            .edits = request.edits,
                            .allowed = request.allowed,
                            .generated_vocab_size = options_.generated_vocab_size,
                            .logprob = request.wanted.logprobs == 0};
  return request.token_sampling;
}

/// Finds out whether the backend is broken or only could not compute what it was asked for. Nothing is under way, and
/// nobody holds a page.
void Engine::try_backend() {
  Sequence sequence(0, {0});
  kv_.reserve(sequence, 1);
  const std::vector<backend::PageTable> page_tables(sequence.page_tables.begin(), sequence.page_tables.end());
  const backend::Slice slice{.tokens = sequence.tokens, .page_tables = page_tables};
  std::vector<float>& logits = underway(begun_).logits;
  logits.resize(static_cast<std::size_t>(backend_->vocab_size()));
  try {
    backend_->forward({&slice, 1}, logits, {});
    note_failure("");
  } catch (const std::exception& error) {
    note_failure(error.what());
  }
  kv_.release(sequence);
}

/// What the last step or trial says about the backend; "" where it works.
void Engine::note_failure(const std::string& failure) {
  if (failure_.empty() && !failure.empty()) log(LogLevel::kError, "the model cannot be computed", {{"error", failure}});
  if (!failure_.empty() && failure.empty()) log(LogLevel::kInfo, "the model can be computed again");
  failure_ = failure;
}

void Engine::emit(StepUnderway& step) {
  std::span<const float> logits = step.logits;
  std::span<const float> hidden = step.hidden;
  auto sampled = step.sampled.cbegin();
  StepReport& report = step.report;
  const std::int64_t vocab_size = backend_->vocab_size();
  for (const Part& part : step.parts) {
    const std::span<const float> rows = take_first(logits, rows_of(part.logits, part.tokens) * vocab_size);
    const std::span<const float> states = take_first(hidden, part.hidden ? part.tokens * backend_->hidden_size() : 0);
    const backend::SampledToken* const token = part.samples ? &*sampled++ : nullptr;
    report.tokens += part.tokens;
    const auto entry = requests_.find(part.request);
    if (entry == requests_.end()) continue;  // It ended while this was computed.
    Request& request = *entry->second;
    if (part.promised) --request.sequence.promised;

    const std::int64_t prompt_tokens_seen = std::min(request.prompt_tokens, part.position + part.tokens);
    report.prompt_tokens += std::max<std::int64_t>(0, prompt_tokens_seen - request.prompt_tokens_seen);
    request.prompt_tokens_seen = std::max(request.prompt_tokens_seen, prompt_tokens_seen);

    if (part.logits == backend::Logits::kAll) emit_prompt_logprobs(request, part.position, rows);
    if (part.hidden) pool_hidden(request, part.position, states);
    if (part.hidden && part.position + part.tokens == request.prompt_tokens) {
      request.queue->finish_embedding(normalized(std::move(request.pooled)));
      finish(part.request);
    } else if (part.wants_token) {
      const auto last_row = rows.last(static_cast<std::size_t>(part.logits == backend::Logits::kNone ? 0 : vocab_size));
      report.generated_tokens += emit_token(request, last_row, token) ? 1 : 0;
    }
  }
}

/// `rows` are the logits of the tokens from `position` on, each for the token behind it.
void Engine::emit_prompt_logprobs(Request& request, std::int64_t position, std::span<const float> rows) const {
  const std::int64_t vocab_size = backend_->vocab_size();
  while (!rows.empty() && ++position < request.prompt_tokens) {
    const std::span<const float> row = take_first(rows, vocab_size);
    // A sequence that was preempted comes here again.
    if (position <= request.prompt_logprobs_given) continue;
    const TokenId token = request.sequence.tokens[static_cast<std::size_t>(position)];
    request.queue->push_prompt_logprobs(logprobs_of(row, token, *request.wanted.prompt_logprobs));
    request.prompt_logprobs_given = position;
  }
}

/// `rows` are the hidden states from `position` on.
void Engine::pool_hidden(Request& request, std::int64_t position, std::span<const float> rows) const {
  const auto hidden_size = static_cast<std::size_t>(backend_->hidden_size());
  for (; !rows.empty(); rows = rows.subspan(hidden_size), ++position) {
    // A sequence that was preempted comes here again.
    if (position < request.pooled_tokens) continue;
    if (request.wanted.embedding == Pooling::kLast) request.pooled.clear();
    accumulate(rows.first(hidden_size), request.pooled);
    request.pooled_tokens = position + 1;
  }
}

/// The token is what the backend sampled or, where it did not, is chosen from the logits. False where the request
/// failed instead.
bool Engine::emit_token(Request& request, std::span<const float> logits, const backend::SampledToken* sampled) {
  const std::uint64_t id = request.sequence.id;
  GeneratedToken token;
  try {
    token.id = sampled != nullptr ? token_of(*sampled) : choose(request, logits);
  } catch (const Error& error) {
    fail(id, make_failure<GenerationFailed>(error.what(), error.remedy()));
    return false;
  }
  if (request.wanted.logprobs && logits.empty()) {
    token.logprobs = Logprobs{.token = {.id = token.id, .logprob = sampled->logprob}};
  } else if (request.wanted.logprobs) {
    token.logprobs = logprobs_of(logits, token.id, *request.wanted.logprobs);
  }
  token.time = Clock::now();
  request.sequence.tokens.push_back(token.id);

  std::optional<FinishReason> finished;
  const std::vector<TokenId>& stop_tokens = request.wanted.stop_tokens;
  if (std::ranges::find(stop_tokens, token.id) != stop_tokens.end()) {
    finished = FinishReason::kStop;
  } else if (std::ssize(request.generated()) == request.wanted.max_tokens) {
    finished = FinishReason::kLength;
  }
  request.queue->push(std::move(token), finished);
  if (finished) finish(id);
  return true;
}

/// Throws Error where no token can be chosen.
TokenId Engine::choose(const Request& request, std::span<const float> logits) {
  const auto largest = [](std::span<const float> row) { return row[static_cast<std::size_t>(most_likely(row))]; };
  if (!std::isfinite(largest(logits))) throw not_finite();
  const std::int64_t count = std::ssize(request.generated());
  std::span<const float> row = logits.first(static_cast<std::size_t>(options_.generated_vocab_size));
  if (request.wanted.adjustments.any(count)) {
    adjusted_.assign(row.begin(), row.end());
    adjust(adjusted_, request.wanted.adjustments, request.history());
    row = adjusted_;
    if (!std::isfinite(largest(row))) throw none_allowed();
  }
  return sampler_.choose(row, request.wanted.sampling,
                         uniform(request.wanted.sampling.seed, static_cast<std::uint64_t>(count)));
}

void Engine::fail(std::uint64_t id, std::exception_ptr failure) {
  requests_.at(id)->queue->fail(std::move(failure));
  finish(id);
}

void Engine::finish(std::uint64_t id) {
  const auto request = requests_.find(id);
  scheduler_.remove(request->second->sequence);
  requests_.erase(request);
}

void Engine::publish_statistics() {
  const std::lock_guard lock(mutex_);
  statistics_.running = scheduler_.running();
  statistics_.waiting = scheduler_.waiting() + std::ssize(incoming_);
  statistics_.kv_pages_used = kv_.held();
  statistics_.kv_usage = kv_.usage();
  statistics_.failure = failure_;
  if (statistics_.running + statistics_.waiting == 0) idle_.notify_all();
}

}  // namespace gpuinfer::engine

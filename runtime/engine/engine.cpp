#include "runtime/engine/engine.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace gpuinfer::engine {
namespace {

/// The options with max_model_len settled. Throws Error where the pages cannot hold one sequence of that length.
EngineOptions settle(EngineOptions options, const backend::Backend& backend) {
  const std::int64_t model = backend.max_position_embeddings();
  const std::int64_t cache = backend.kv_pages() * backend::kPageTokens;
  if (options.max_model_len == 0) options.max_model_len = std::min(model, cache);
  if (options.max_model_len < 2 || options.max_model_len > model) {
    throw Error("a context of " + std::to_string(options.max_model_len) +
                    " tokens is outside what the model was made for, 2 to " + std::to_string(model),
                "Choose another --max-model-len.");
  }
  if (options.max_model_len > cache) {
    throw Error("a context of " + std::to_string(options.max_model_len) + " tokens does not fit into a KV cache of " +
                    std::to_string(cache) + " tokens",
                "Raise --kv-cache-tokens or lower --max-model-len.");
  }
  return options;
}

}  // namespace

Engine::Request::Request(std::uint64_t id, GenerationRequest request, std::shared_ptr<TokenQueue> token_queue,
                         PagePool& pool)
    : sequence(id, std::move(request.prompt), pool),
      sampling(request.sampling),
      random(request.sampling.seed),
      prompt_tokens(std::ssize(sequence.tokens)),
      max_length(static_cast<std::size_t>(prompt_tokens + request.max_tokens)),
      stop_tokens(std::move(request.stop_tokens)),
      queue(std::move(token_queue)) {}

Engine::Engine(std::unique_ptr<backend::Backend> backend, EngineOptions options)
    : backend_(std::move(backend)),
      options_(settle(std::move(options), *backend_)),
      pool_(backend_->kv_pages()),
      scheduler_(pool_, options_.limits) {
  statistics_.kv_pages = pool_.size();
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
  check(request);
  request.max_tokens = std::min(request.max_tokens, max_model_len() - std::ssize(request.prompt));
  auto queue = std::make_shared<TokenQueue>();
  {
    const std::lock_guard lock(mutex_);
    if (draining_) throw Draining("the server is shutting down", "Send the request to another replica.");
    const std::int64_t unfinished = statistics_.running + statistics_.waiting;
    if (unfinished >= options_.limits.max_running + options_.max_waiting) {
      throw QueueFull("the queue is full: " + std::to_string(unfinished) + " requests are running or waiting",
                      "Try again later, or add replicas.");
    }
    incoming_.push_back(std::make_unique<Request>(next_id_++, std::move(request), queue, pool_));
    ++statistics_.waiting;
  }
  work_.notify_one();
  return Generation(std::move(queue));
}

void Engine::check(const GenerationRequest& request) const {
  const std::int64_t length = std::ssize(request.prompt);
  if (length == 0) throw Error("the prompt is empty");
  if (length >= max_model_len()) {
    throw Error("the prompt has " + std::to_string(length) + " tokens, and the context holds " +
                std::to_string(max_model_len()) + " with at least one that is generated");
  }
  if (request.max_tokens < 1) throw Error("max_tokens is below 1");
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
    drop_cancelled();
    if (!requests_.empty()) step();
    publish_statistics();
  }
  for (const auto& [id, request] : requests_) request->queue->fail("the server is shutting down", "");
  requests_.clear();
}

/// Takes in what was submitted. False when the engine ends.
bool Engine::wait_for_work() {
  std::vector<std::unique_ptr<Request>> arrived;
  bool stopping = false;
  {
    std::unique_lock lock(mutex_);
    work_.wait(lock, [this] { return stopping_ || !incoming_.empty() || !requests_.empty(); });
    arrived.swap(incoming_);
    stopping = stopping_;
  }
  for (std::unique_ptr<Request>& request : arrived) {
    scheduler_.add(request->sequence);
    requests_.emplace(request->sequence.id, std::move(request));
  }
  return !stopping;
}

void Engine::drop_cancelled() {
  std::vector<std::uint64_t> cancelled;
  for (const auto& [id, request] : requests_) {
    if (request->queue->cancelled()) cancelled.push_back(id);
  }
  for (const std::uint64_t id : cancelled) finish(id);
}

void Engine::step() {
  const Step step = scheduler_.schedule();
  const Clock::time_point now = Clock::now();
  for (const ScheduledSlice& slice : step.slices) requests_.at(slice.sequence->id)->queue->scheduled(now);
  try {
    compute(step);
  } catch (const std::exception& error) {
    for (const ScheduledSlice& slice : step.slices) fail(slice.sequence->id, error.what(), "See the server's log.");
    return;
  }
  const StepReport report = emit(step);
  if (options_.on_step) options_.on_step(report);
}

void Engine::compute(const Step& step) {
  std::vector<backend::Slice> batch;
  batch.reserve(step.slices.size());
  std::int64_t rows = 0;
  for (const ScheduledSlice& slice : step.slices) {
    const Sequence& sequence = *slice.sequence;
    const std::span tokens(sequence.tokens);
    batch.push_back(
        {.tokens = tokens.subspan(static_cast<std::size_t>(sequence.computed), static_cast<std::size_t>(slice.tokens)),
         .position = sequence.computed,
         .pages = sequence.page_table.pages(),
         .logits = slice.reaches_end() ? backend::Logits::kLast : backend::Logits::kNone});
    rows += slice.reaches_end() ? 1 : 0;
  }
  logits_.resize(static_cast<std::size_t>(rows * backend_->vocab_size()));
  backend_->forward(batch, logits_);
}

StepReport Engine::emit(const Step& step) {
  StepReport report{.preempted = step.preempted};
  std::span<const float> rows = logits_;
  const auto vocab_size = static_cast<std::size_t>(backend_->vocab_size());
  for (const ScheduledSlice& slice : step.slices) {
    Request& request = *requests_.at(slice.sequence->id);
    const bool sample = slice.reaches_end();
    request.sequence.computed += slice.tokens;
    report.tokens += slice.tokens;
    const std::int64_t prompt_tokens_seen = std::min(request.prompt_tokens, request.sequence.computed);
    report.prompt_tokens += std::max<std::int64_t>(0, prompt_tokens_seen - request.prompt_tokens_seen);
    request.prompt_tokens_seen = std::max(request.prompt_tokens_seen, prompt_tokens_seen);
    if (!sample) continue;
    report.generated_tokens += emit_token(request, rows.first(vocab_size)) ? 1 : 0;
    rows = rows.subspan(vocab_size);
  }
  return report;
}

/// False where the request failed instead.
bool Engine::emit_token(Request& request, std::span<const float> logits) {
  const std::uint64_t id = request.sequence.id;
  TokenId token = 0;
  try {
    token = sampler_.sample(logits, request.sampling, request.random);
  } catch (const Error& error) {
    fail(id, error.what(), error.remedy());
    return false;
  }
  request.sequence.tokens.push_back(token);
  std::optional<FinishReason> finished;
  if (std::ranges::find(request.stop_tokens, token) != request.stop_tokens.end()) {
    finished = FinishReason::kStop;
  } else if (request.sequence.tokens.size() == request.max_length) {
    finished = FinishReason::kLength;
  }
  request.queue->push({token, Clock::now()}, finished);
  if (finished) finish(id);
  return true;
}

void Engine::fail(std::uint64_t id, const std::string& what, const std::string& remedy) {
  requests_.at(id)->queue->fail(what, remedy);
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
  statistics_.kv_pages_used = pool_.size() - pool_.free();
  if (statistics_.running + statistics_.waiting == 0) idle_.notify_all();
}

}  // namespace gpuinfer::engine

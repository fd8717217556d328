#include "runtime/server/server.hpp"

#include <utility>

#include "base/log.hpp"
#include "base/version.hpp"
#include "runtime/server/api_error.hpp"
#include "runtime/server/api_key.hpp"
#include "runtime/server/completion_run.hpp"
#include "runtime/server/embeddings.hpp"
#include "runtime/server/load_report.hpp"
#include "runtime/server/request_fields.hpp"
#include "runtime/server/request_id.hpp"
#include "runtime/server/tokenization.hpp"

namespace gpuinfer::server {
namespace {

void respond(httplib::Response& response, int status, const Json& body) {
  response.status = status;
  response.set_content(to_text(body), "application/json");
}

Json model_object(const ServedModel& model, const std::string& name) {
  return {{"id", name},
          {"root", model.name()},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "gpuinfer"},
          {"max_model_len", model.engine->max_model_len()}};
}

}  // namespace

class Server::Active {
 public:
  explicit Active(Server& server) : server_(server) {
    const std::lock_guard lock(server_.mutex_);
    ++server_.active_completions_;
  }
  ~Active() {
    const std::lock_guard lock(server_.mutex_);
    --server_.active_completions_;
    server_.completion_ended_.notify_all();
  }
  Active(const Active&) = delete;
  Active& operator=(const Active&) = delete;

 private:
  Server& server_;
};

Server::Server(ServerOptions options)
    : options_(std::move(options)), metrics_(options_.served_model_name), http_(options_.http) {
  add_routes();
}

Server::~Server() { shut_down(std::chrono::seconds(0)); }

int Server::start() { return http_.start(options_.host, options_.port); }

void Server::serve(std::shared_ptr<const ServedModel> model) {
  load_progress_->finish();
  const std::lock_guard lock(mutex_);
  model_ = std::move(model);
}

void Server::shut_down(std::chrono::seconds limit) {
  draining_ = true;
  if (const auto model = this->model()) {
    model->engine->drain();
    if (!wait_for_completions(limit)) {
      log(LogLevel::kWarning, "requests still run after the drain limit; they are failed",
          {{"limit_seconds", limit.count()}});
      model->engine->stop();
      // Their error is still to be written.
      wait_for_completions(std::chrono::seconds(5));
    }
  }
  http_.stop();
}

bool Server::wait_for_completions(std::chrono::seconds limit) {
  std::unique_lock lock(mutex_);
  return completion_ended_.wait_for(lock, limit, [this] { return active_completions_ == 0; });
}

std::shared_ptr<const ServedModel> Server::model() const {
  const std::lock_guard lock(mutex_);
  return model_;
}

/// Throws ApiError (503) while the model is loading.
std::shared_ptr<const ServedModel> Server::working_model() const {
  auto served = model();
  if (!served) throw unavailable("The model is still loading.");
  return served;
}

void Server::add_routes() {
  http_.route("GET", "/health", [this](const Request&, Response& response, auto&) { health(response); });
  http_.route("GET", "/ready", [this](const Request&, Response& response, auto&) { ready(response); });
  http_.route("GET", "/version", [](const Request&, Response& response, auto&) {
    respond(response, 200, {{"version", kVersion}});
  });
  http_.route("GET", "/metrics", [this](const Request&, Response& response, auto&) {
    const auto served = model();
    response.set_content(metrics_.text(*load_progress_, served ? served->engine.get() : nullptr),
                         "text/plain; version=0.0.4; charset=utf-8");
  });
  http_.route("GET", "/load", [this](const Request&, Response& response, auto&) { load(response); });
  const auto models_handler = [this](const Request& request, Response& response, auto&) { models(request, response); };
  add_model_route("GET", "/v1/models", models_handler);
  add_model_route("GET", "/v1/models/", models_handler);
  add_model_route("POST", "/v1/embeddings", [this](const Request& request, Response& response, const auto& connection) {
    embeddings(request, response, connection);
  });
  add_model_route("POST", "/tokenize", [this](const Request& request, Response& response, auto&) {
    answer_at_once(tokenize, request, response);
  });
  add_model_route("POST", "/detokenize", [this](const Request& request, Response& response, auto&) {
    answer_at_once(detokenize, request, response);
  });
  for (const CompletionEndpoint* endpoint : {chat_completions_.get(), completions_.get()}) {
    add_model_route("POST", std::string(endpoint->path()),
                    [this, endpoint](const Request& request, Response& response, const HttpConnection& connection) {
                      complete(*endpoint, request, response, connection);
                    });
  }
}

/// With the API key, a request id, and a line in the log where it is refused.
void Server::add_model_route(const std::string& method, const std::string& path, HttpServer::Handler handler) {
  http_.route(
      method, path, [this, handler](const Request& request, Response& response, const HttpConnection& connection) {
        const std::string id = request_id(request.get_header_value("X-Request-Id"));
        response.set_header("X-Request-Id", id);
        try {
          if (!options_.api_key.empty()) check_api_key(request.get_header_value("Authorization"), options_.api_key);
          handler(request, response, connection);
        } catch (const ApiError& error) {
          log(LogLevel::kInfo, "request refused",
              {{"request_id", id}, {"path", request.path}, {"status", error.status()}, {"error", error.what()}});
          throw;
        }
      });
}

void Server::health(Response& response) const {
  const std::string failure = this->failure();
  if (failure.empty()) return respond(response, 200, {{"status", "ok"}});
  respond(response, 503, {{"status", "broken"}, {"error", failure}});
}

void Server::ready(Response& response) const {
  const std::string failure = this->failure();
  if (!failure.empty()) return respond(response, 503, {{"status", "broken"}, {"error", failure}});
  if (draining_) return respond(response, 503, {{"status", "draining"}});
  if (model()) return respond(response, 200, {{"status", "ready"}});
  Json body = {{"status", "loading"}};
  body.update(describe(*load_progress_));
  respond(response, 503, body);
}

/// Why the model cannot be computed at present, "" where it can or is not there yet.
std::string Server::failure() const {
  const auto served = model();
  return served ? served->engine->statistics().failure : "";
}

void Server::models(const Request& request, Response& response) const {
  constexpr std::string_view kPrefix = "/v1/models/";
  const auto served = working_model();
  if (!request.path.starts_with(kPrefix)) {
    Json models = Json::array();
    for (const std::string& name : served->names) models.push_back(model_object(*served, name));
    return respond(response, 200, {{"object", "list"}, {"data", std::move(models)}});
  }
  const std::string name = request.path.substr(kPrefix.size());
  if (!served->has_name(name)) throw model_not_found(name, served->name());
  respond(response, 200, model_object(*served, name));
}

void Server::load(Response& response) const {
  const auto served = model();
  const engine::EngineStatistics statistics = served ? served->engine->statistics() : engine::EngineStatistics{};
  respond(response, 200, {{"server_load", statistics.running + statistics.waiting}});
}

void Server::answer_at_once(Json (*answer)(const Json&, const ServedModel&), const Request& request,
                            Response& response) const {
  respond(response, 200, answer(parse_body(request.body), *working_model()));
}

void Server::embeddings(const Request& request, Response& response, const HttpConnection& connection) {
  const Active active(*this);
  if (draining_) throw unavailable("The server is shutting down.");
  const auto served = working_model();
  const Json reply = embed(parse_body(request.body), *served, metrics_, connection);
  if (!reply.is_null()) respond(response, 200, reply);
}

void Server::complete(const CompletionEndpoint& endpoint, const Request& request, Response& response,
                      const HttpConnection& connection) {
  const auto active = std::make_shared<Active>(*this);
  if (draining_) throw unavailable("The server is shutting down.");
  auto served = working_model();

  const std::string id = response.get_header_value("X-Request-Id");
  const auto run = std::make_shared<CompletionRun>(endpoint, parse_body(request.body), std::move(served), metrics_, id);
  if (run->streams()) {
    if (!run->wait_for_first_part(connection)) return;
    response.set_header("Cache-Control", "no-cache");
    response.set_chunked_content_provider(
        "text/event-stream", [active, run](std::size_t, httplib::DataSink& sink) { return run->send_some(sink); });
  } else {
    const Json reply = run->whole_reply(connection);
    if (!reply.is_null()) respond(response, 200, reply);
  }
}

}  // namespace gpuinfer::server

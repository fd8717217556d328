// The routes of gpuinfer-server, and its life: loading, ready, draining.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/model/load_progress.hpp"
#include "runtime/server/completion_endpoint.hpp"
#include "runtime/server/http_server.hpp"
#include "runtime/server/metrics.hpp"
#include "runtime/server/served_model.hpp"

namespace gpuinfer::server {

struct ServerOptions {
  std::string host = "0.0.0.0";
  int port = 8000;
  std::string served_model_name = {};
  /// Needed on all paths that are about the model; "" lets everybody in.
  std::string api_key = {};
  HttpOptions http = {};
};

/// Listens from the start, so that probes are answered while the weights are loading.
class Server {
 public:
  explicit Server(ServerOptions options);
  ~Server();

  /// Starts to listen; until serve(), requests for the model get 503. Returns the port. Throws Error where the address
  /// cannot be used.
  int start();
  /// The model is there: /ready turns 200. While its engine cannot compute anything, /ready and /health are 503.
  void serve(std::shared_ptr<const ServedModel> model);
  /// /ready turns 503 and new completions are refused at once; those that run may take up to `limit`, then they are
  /// failed. Returns when all responses are written and the port is closed.
  void shut_down(std::chrono::seconds limit);

  /// For the engine's on_step.
  Metrics& metrics() { return metrics_; }
  /// For who loads the model: /ready and /metrics tell it.
  const std::shared_ptr<model::LoadProgress>& load_progress() const { return load_progress_; }

 private:
  using Request = HttpServer::Request;
  using Response = HttpServer::Response;
  /// One completion that has not been answered fully.
  class Active;

  void add_routes();
  void add_model_route(const std::string& method, const std::string& path, HttpServer::Handler handler);
  void health(Response& response) const;
  void ready(Response& response) const;
  std::string failure() const;
  void models(const Request& request, Response& response) const;
  void load(Response& response) const;
  void complete(const CompletionEndpoint& endpoint, const Request& request, Response& response,
                const HttpConnection& connection);
  void embeddings(const Request& request, Response& response, const HttpConnection& connection);
  void answer_at_once(Json (*answer)(const Json&, const ServedModel&), const Request& request,
                      Response& response) const;
  std::shared_ptr<const ServedModel> model() const;
  std::shared_ptr<const ServedModel> working_model() const;
  bool wait_for_completions(std::chrono::seconds limit);

  ServerOptions options_;
  Metrics metrics_;
  std::shared_ptr<model::LoadProgress> load_progress_ = std::make_shared<model::LoadProgress>();
  std::unique_ptr<CompletionEndpoint> chat_completions_ = make_chat_completions_endpoint();
  std::unique_ptr<CompletionEndpoint> completions_ = make_completions_endpoint();

  mutable std::mutex mutex_;
  std::shared_ptr<const ServedModel> model_;
  std::condition_variable completion_ended_;
  int active_completions_ = 0;
  std::atomic<bool> draining_ = false;

  HttpServer http_;  // Last: its threads use all of the above.
};

}  // namespace gpuinfer::server

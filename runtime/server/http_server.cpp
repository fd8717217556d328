#include "runtime/server/http_server.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <string_view>

#include "base/log.hpp"
#include "runtime/server/api_error.hpp"
#include "runtime/server/connection_threads.hpp"

namespace gpuinfer::server {
namespace {

/// The connection whose request this thread is serving: httplib does not hand it to its handlers.
thread_local HttpConnection* current_connection = nullptr;

void respond(httplib::Response& response, const ApiError& error) {
  response.status = error.status();
  if (error.status() == 429 || error.status() == 503) response.set_header("Retry-After", "1");
  if (error.status() == 401) response.set_header("WWW-Authenticate", "Bearer");
  response.set_content(to_text(error.body()), "application/json");
}

/// Errors that httplib found itself have no body yet.
void complete_error(const httplib::Request&, httplib::Response& response) {
  if (!response.body.empty()) return;
  const std::string_view reason = response.status == 414   ? "The path is too long."
                                  : response.status == 416 ? "The Range header is not valid."
                                                           : "The request is not valid HTTP.";
  respond(response, ApiError(response.status, "invalid_request_error", std::string(reason)));
}

void respond_to_exception(const httplib::Request& request, httplib::Response& response, std::exception_ptr exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const ApiError& error) {
    respond(response, error);
  } catch (const std::exception& error) {
    log(LogLevel::kError, "a request failed", {{"path", request.path}, {"error", error.what()}});
    respond(response, server_error("The server failed on this request; its log says more."));
  }
}

}  // namespace

HttpServer::HttpServer(HttpOptions options) : options_(options) {
  new_task_queue = [this] { return new ConnectionThreads(options_.max_connections, waiting_connections_); };
  // For the Keep-Alive header; process_and_close_socket() is what keeps connections.
  set_keep_alive_timeout(std::chrono::duration_cast<std::chrono::seconds>(options.keep_alive).count());
  set_keep_alive_max_count(1'000'000);
  // httplib would set SO_REUSEPORT, with which two servers share a port without noticing.
  set_socket_options([](socket_t socket) {
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  });
  set_pre_routing_handler([this](const Request& request, Response& response) { return dispatch(request, response); });
  set_exception_handler(respond_to_exception);
  set_error_handler(Server::Handler(complete_error));
}

HttpServer::~HttpServer() { stop(); }

void HttpServer::route(const std::string& method, const std::string& path, Handler handler) {
  routes_[{method, path}] = std::move(handler);
  if (method != "POST") return;
  // A path is taken as a regular expression here; ours are their own.
  Post(path, [this, path](const Request& request, Response& response, const httplib::ContentReader& reader) {
    Request complete = request;
    read_body(complete, reader);
    routes_.at({"POST", path})(complete, response, *current_connection);
  });
}

int HttpServer::start(const std::string& host, int port) {
  errno = 0;
  const int bound = port == 0 ? bind_to_any_port(host) : (bind_to_port(host, port) ? port : -1);
  if (bound < 0) {
    const std::string reason = errno != 0 ? std::strerror(errno) : "the host is not an address of this machine";
    throw Error("cannot listen on " + host + ":" + std::to_string(port) + ": " + reason,
                "Choose another --host or --port.");
  }
  // httplib asked for a backlog of 5; connections beyond it would wait for a second.
  ::listen(svr_sock_, SOMAXCONN);
  listener_ = std::thread([this] { listen_after_bind(); });
  while (!is_running()) std::this_thread::yield();  // stop() does nothing before that.
  return bound;
}

void HttpServer::stop() {
  if (!listener_.joinable()) return;
  Server::stop();
  listener_.join();
}

bool HttpServer::process_and_close_socket(socket_t socket) {
  HttpConnection connection(socket, options_.io_timeout);
  current_connection = &connection;
  const std::chrono::milliseconds kIdleCheck(200);
  try {
    bool closed = false;
    std::chrono::milliseconds idle(0);
    while (!closed && !connection.closes_after_response() && svr_sock_ != INVALID_SOCKET &&
           idle < options_.keep_alive) {
      if (!connection.wait_readable(kIdleCheck)) {
        idle += kIdleCheck;
        if (waiting_connections_ > 0) break;  // Another one has more use for the thread.
        continue;
      }
      idle = std::chrono::milliseconds(0);
      if (!process_request(connection, false, closed, nullptr)) break;
    }
    if (connection.closes_after_response()) connection.linger();
  } catch (const std::exception& error) {
    log(LogLevel::kError, "a connection failed", {{"error", error.what()}});
  }
  current_connection = nullptr;
  return true;
}

/// Runs before httplib reads a body: answers everything but the POST requests that have a route.
HttpServer::HandlerResponse HttpServer::dispatch(const Request& request, Response& response) {
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  const Handler* handler = find(method, request.path);
  if (handler && method == "POST" && !request.is_multipart_form_data()) return HandlerResponse::Unhandled;

  if (method != "GET") current_connection->close_after_response();  // Its body stays unread.
  if (handler && method == "POST") {
    respond(response, ApiError(415, "invalid_request_error", "The body must be JSON."));
  } else if (handler) {
    (*handler)(request, response, *current_connection);
  } else if (find("GET", request.path) || find("POST", request.path)) {
    response.set_header("Allow", find("GET", request.path) ? "GET" : "POST");
    respond(response,
            ApiError(405, "invalid_request_error", request.method + " is not allowed on " + request.path + "."));
  } else {
    respond(response,
            ApiError(404, "invalid_request_error", "There is nothing at " + request.path + ".", "", "not_found"));
  }
  return HandlerResponse::Handled;
}

const HttpServer::Handler* HttpServer::find(const std::string& method, const std::string& path) const {
  const auto exact = routes_.find({method, path});
  if (exact != routes_.end()) return &exact->second;
  for (const auto& [route, handler] : routes_) {
    if (route.first == method && route.second.ends_with('/') && path.starts_with(route.second)) return &handler;
  }
  return nullptr;
}

void HttpServer::read_body(Request& request, const httplib::ContentReader& reader) const {
  bool too_large = false;
  const bool complete = reader([&](const char* bytes, std::size_t size) {
    too_large = request.body.size() + size > options_.max_body_bytes;
    if (!too_large) request.body.append(bytes, size);
    return !too_large;
  });
  if (complete) return;
  current_connection->close_after_response();
  if (too_large) {
    throw ApiError(413, "invalid_request_error",
                   "The body is larger than " + std::to_string(options_.max_body_bytes) + " bytes.");
  }
  throw invalid_request("The body ended early, or is not encoded as its headers say.");
}

}  // namespace gpuinfer::server

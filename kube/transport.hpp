// One HTTP exchange with an API server: the seam behind which tests put a server of their own.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace gpuinfer::kube {

/// What to ask.
struct HttpRequest {
  std::string method = "GET";
  std::string path = {};  ///< with the query, already percent-encoded: "/api/v1/pods?limit=500"
  std::string body = {};
  std::string content_type = "application/json";            ///< sent where there is a body
  std::map<std::string, std::string> headers = {};          ///< added to Accept, User-Agent and the credentials
  std::chrono::seconds timeout = std::chrono::seconds(30);  ///< the longest silence of the server; 0: no limit
};

/// What came back.
struct HttpResponse {
  int status = 0;
  std::multimap<std::string, std::string> headers;
  std::string body;  ///< empty where a receiver took it
};

/// Takes the next piece of a body as soon as it arrives; false ends the exchange there.
using BodyReceiver = std::function<bool(std::string_view piece)>;

/// No answer came: no such host, connection refused, TLS failure, timeout, connection lost.
class TransportError : public Error {
 public:
  using Error::Error;
};

/// The exchange ended because its stop_token asked for it (Ctrl-C).
class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted") {}
};

/// Sends requests to one API server.
class Transport {
 public:
  virtual ~Transport() = default;

  /// Sends `request` and waits for the whole answer. With a `receive`, the body of a 2xx answer goes there piece by
  /// piece (bodies of other answers stay in the response). A receiver that returns false is no error. Any thread may
  /// call this at any time; `stop` ends it from another thread. Throws TransportError and Interrupted; an HTTP status
  /// is never an exception here.
  virtual HttpResponse send(const HttpRequest& request, const BodyReceiver& receive, std::stop_token stop) = 0;
};

}  // namespace gpuinfer::kube

// What an API server says when it refuses.
#pragma once

#include <string>

#include "base/error.hpp"
#include "base/json.hpp"
#include "kube/transport.hpp"

namespace gpuinfer::kube {

/// An answer other than 2xx. `what()` holds the server's own words, `remedy()` what to do about it.
class ApiError : public Error {
 public:
  ApiError(const std::string& what, const std::string& remedy, int code, std::string reason, Json status)
      : Error(what, remedy), code_(code), reason_(std::move(reason)), status_(std::move(status)) {}

  int code() const { return code_; }                     ///< HTTP status
  const std::string& reason() const { return reason_; }  ///< "NotFound", "AlreadyExists", "Conflict", ...; may be empty
  const Json& status() const { return status_; }         ///< the Status object; null where the answer was none

 private:
  int code_;
  std::string reason_;
  Json status_;
};

/// The exception for `response` to `request`: who may not do what, which `kubectl auth can-i` shows it, who owns the
/// field in conflict.
ApiError api_error(const HttpRequest& request, const HttpResponse& response);

}  // namespace gpuinfer::kube

// The plain HTTP port: what kubelet, Prometheus and `kubectl gpuinfer doctor` ask.
#pragma once

#include <functional>
#include <string>

#include "base/json.hpp"
#include "webhook/front/http.hpp"

namespace gpuinfer::webhook {

/// GET (and HEAD) of /healthz, /readyz, /metrics and /status.
struct OperationsHandler {
  std::function<std::string()> reason_not_ready;  ///< empty where reviews may be sent here
  std::function<std::string()> metrics;
  std::function<Json()> status;

  Response operator()(const Request& request) const;
};

}  // namespace gpuinfer::webhook

// The API server's clock, which decides whether a certificate counts: taken from the Date of its answers.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>

#include "kube/transport.hpp"

namespace gpuinfer::kube {

/// Passes requests on to `transport` and notes by how much the server's clock is ahead of ours. Until the first answer,
/// ours counts.
class ServerClock : public Transport {
 public:
  explicit ServerClock(std::unique_ptr<Transport> transport) : transport_(std::move(transport)) {}

  HttpResponse send(const HttpRequest& request, const BodyReceiver& receive, std::stop_token stop) override;

  /// The server's time, to the second.
  std::chrono::sys_seconds now() const;

 private:
  std::unique_ptr<Transport> transport_;
  std::atomic<std::chrono::seconds> ahead_ = std::chrono::seconds(0);
};

}  // namespace gpuinfer::kube

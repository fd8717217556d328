// Connects with the user's kubeconfig and time limit.
#include "plugin/cluster_connection.hpp"

#include "kube/https_transport.hpp"
#include "plugin/duration.hpp"

namespace gpuinfer::plugin {

namespace {

/// Gives every request the user's time limit, except those that are meant to stay open (a watch, a followed log).
class TimeLimitedTransport : public kube::Transport {
 public:
  TimeLimitedTransport(std::unique_ptr<kube::Transport> transport, std::chrono::seconds limit)
      : transport_(std::move(transport)), limit_(limit) {}

  kube::HttpResponse send(const kube::HttpRequest& request, const kube::BodyReceiver& receive,
                          std::stop_token stop) override {
    kube::HttpRequest limited = request;
    if (limited.timeout.count() > 0 && !receive) limited.timeout = limit_;
    return transport_->send(limited, receive, std::move(stop));
  }

 private:
  std::unique_ptr<kube::Transport> transport_;
  std::chrono::seconds limit_;
};

}  // namespace

kube::Client connect(const GlobalOptions& options) {
  const kube::Connection connection = kube::load_connection(
      {.kubeconfig = options.kubeconfig, .context = options.context, .namespace_name = options.namespace_name});
  if (options.request_timeout.empty()) return kube::Client(connection);
  const std::chrono::seconds limit = parse_duration(options.request_timeout);
  return kube::Client(std::make_shared<TimeLimitedTransport>(kube::https_transport(connection), limit),
                      connection.namespace_name);
}

}  // namespace gpuinfer::plugin

// One connection to an API server, used for one exchange after the other: HTTP/1.1 over TCP, TLS, and a proxy where
// there is one.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "kube/credentials.hpp"
#include "kube/kubeconfig.hpp"
#include "kube/transport.hpp"
#include "kube/url.hpp"

namespace gpuinfer::kube {

/// Why an exchange came to nothing, in a few words: "nothing answers there".
class ConnectionError : public Error {
 public:
  ConnectionError(const std::string& reason, bool answer_began) : Error(reason), answer_began_(answer_began) {}

  /// The server had begun to answer, so it has acted on the request.
  bool answer_began() const { return answer_began_; }

 private:
  bool answer_began_;
};

/// Not for several threads at once.
class HttpConnection {
 public:
  /// Connects with the first exchange. Throws Error for certificates that do not parse, or a key of another
  /// certificate.
  HttpConnection(const Url& server, const std::optional<Url>& proxy, const Cluster& cluster,
                 const Credential& credential);
  HttpConnection(HttpConnection&&) noexcept;
  HttpConnection& operator=(HttpConnection&&) noexcept;
  ~HttpConnection();

  /// As Transport::send, with `headers` instead of the request's own. Throws ConnectionError and Interrupted.
  HttpResponse exchange(const HttpRequest& request, const std::multimap<std::string, std::string>& headers,
                        const BodyReceiver& receive, const std::stop_token& stop);

  /// Another exchange may follow: not after an exception, nor where the server or `receive` ended the last one early.
  bool is_reusable() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace gpuinfer::kube

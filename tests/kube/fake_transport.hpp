// A Transport that plays prepared answers and keeps what it was asked.
#pragma once

#include <deque>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "kube/transport.hpp"

namespace gpuinfer::kube {

class FakeTransport : public Transport {
 public:
  void answer(int status, const Json& body) { answer_text(status, body.dump()); }
  void answer_text(int status, std::string body) { answers_.push_back({status, {std::move(body)}, false}); }
  /// A body that arrives in `pieces`.
  void stream(std::vector<std::string> pieces) { answers_.push_back({200, std::move(pieces), false}); }
  /// A body of which only `pieces` arrive.
  void lose_connection(std::vector<std::string> pieces = {}) { answers_.push_back({200, std::move(pieces), true}); }

  const std::vector<HttpRequest>& requests() const { return requests_; }
  bool is_exhausted() const { return answers_.empty(); }

  HttpResponse send(const HttpRequest& request, const BodyReceiver& receive, std::stop_token stop) override {
    if (stop.stop_requested()) throw Interrupted();
    requests_.push_back(request);
    if (answers_.empty()) throw std::logic_error("no answer was prepared for " + request.method + " " + request.path);
    const Answer answer = std::move(answers_.front());
    answers_.pop_front();
    HttpResponse response;
    response.status = answer.status;
    for (const std::string& piece : answer.pieces) {
      if (receive && answer.status < 300) {
        if (!receive(piece)) return response;
      } else {
        response.body += piece;
      }
    }
    if (answer.breaks) throw TransportError("the connection was lost");
    return response;
  }

 private:
  struct Answer {
    int status;
    std::vector<std::string> pieces;
    bool breaks;
  };
  std::deque<Answer> answers_;
  std::vector<HttpRequest> requests_;
};

}  // namespace gpuinfer::kube

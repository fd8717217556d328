#include "kube/watch.hpp"

#include "base/error.hpp"

namespace gpuinfer::kube {

namespace {

/// etcd's default limit for a request is 1.5 MiB; no object comes near this.
constexpr std::size_t kMaxLineBytes = 64 << 20;

WatchLine parse(std::string_view line) {
  Json event = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!event.is_object() || !event.contains("type") || !event["type"].is_string() || !event.contains("object") ||
      !event["object"].is_object()) {
    throw Error("the watch stream holds a line that is no event: " + std::string(line.substr(0, 200)));
  }
  return {event["type"].get<std::string>(), std::move(event["object"])};
}

}  // namespace

bool WatchDecoder::feed(std::string_view piece, const std::function<bool(WatchLine)>& on_line) {
  for (std::size_t end; (end = piece.find('\n')) != std::string_view::npos; piece.remove_prefix(end + 1)) {
    partial_ += piece.substr(0, end);
    const std::string line = std::exchange(partial_, "");
    if (!line.empty() && !on_line(parse(line))) return false;
  }
  partial_ += piece;
  if (partial_.size() > kMaxLineBytes) throw Error("the watch stream holds a line without end");
  return true;
}

}  // namespace gpuinfer::kube

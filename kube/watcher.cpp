// Client::watch: list, follow the changes, and start again where a connection or a resource version was lost.
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "kube/client.hpp"
#include "kube/json_field.hpp"
#include "kube/watch.hpp"

namespace gpuinfer::kube {

namespace {

using std::chrono::seconds;

/// The server ends a watch after this long; the next one starts where it was.
constexpr seconds kWatchDuration{300};
/// Bookmarks come every minute: a longer silence is a dead connection.
constexpr seconds kLongestSilence{120};
/// Pauses between attempts to reach a server that was there before: 31 seconds in all.
constexpr seconds kFirstPause{1};
constexpr seconds kLastPause{16};

constexpr int kGone = 410;  ///< the resource version is too old for the server

void wait(seconds duration, const std::stop_token& stop) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any never;
  never.wait_for(lock, stop, duration, [] { return false; });
  if (stop.stop_requested()) throw Interrupted();
}

std::string uid_of(const Json& object) { return text_at(object, "/metadata/uid"); }
std::string version_of(const Json& object) { return text_at(object, "/metadata/resourceVersion"); }

/// Whether it is worth to ask again.
bool is_passing(const ApiError& error) { return error.code() == 429 || error.code() >= 500; }

}  // namespace

class Client::Watcher {
 public:
  using OnEvent = std::function<bool(const WatchEvent&)>;

  Watcher(Client& client, const std::string& path, const Selector& selector, const OnEvent& on_event,
          const std::stop_token& stop)
      : client_(client), path_(path), selector_(selector), on_event_(on_event), stop_(stop) {}

  void run() {
    relist();
    seconds pause = kFirstPause;
    while (!ended_) {
      heard_ = false;
      const std::exception_ptr failure = step();
      if (heard_) {
        pause = kFirstPause;
      } else if (!ended_) {
        if (failure && pause > kLastPause) std::rethrow_exception(failure);
        wait(pause, stop_);
        if (failure) pause *= 2;
      }
    }
  }

 private:
  /// One list or one watch; what went wrong, where trying again may help.
  std::exception_ptr step() {
    try {
      if (version_.empty()) {
        relist();
      } else {
        follow();
      }
    } catch (const TransportError&) {
      return std::current_exception();
    } catch (const ApiError& error) {
      if (error.code() == kGone) {
        version_.clear();
      } else if (is_passing(error)) {
        return std::current_exception();
      } else {
        throw;
      }
    }
    return nullptr;
  }

  /// Lists the collection, and reports how it differs from what is known.
  void relist() {
    Json list = client_.list(path_, selector_, stop_);
    heard_ = true;
    version_ = version_of(list);
    std::set<std::string> present;
    for (Json& item : list["items"]) present.insert(uid_of(item));
    for (auto entry = known_.begin(); entry != known_.end();) {
      const auto current = entry++;
      if (!present.contains(current->first) && !report(WatchEvent::Type::kDeleted, Json(current->second))) return;
    }
    for (Json& item : list["items"]) {
      const auto known = known_.find(uid_of(item));
      if (known == known_.end()) {
        if (!report(WatchEvent::Type::kAdded, std::move(item))) return;
      } else if (version_of(known->second) != version_of(item)) {
        if (!report(WatchEvent::Type::kModified, std::move(item))) return;
      }
    }
  }

  /// Follows the changes until the server ends the watch.
  void follow() {
    const Query query = {{"watch", "true"},
                         {"allowWatchBookmarks", "true"},
                         {"resourceVersion", version_},
                         {"timeoutSeconds", std::to_string(kWatchDuration.count())},
                         {"labelSelector", selector_.labels},
                         {"fieldSelector", selector_.fields}};
    WatchDecoder decoder;
    client_.send(
        {.path = with_query(path_, query), .timeout = kLongestSilence},
        [&](std::string_view piece) {
          return decoder.feed(piece, [&](WatchLine line) { return take(std::move(line)); });
        },
        stop_);
  }

  /// False ends the watch.
  bool take(WatchLine line) {
    if (line.type == "ERROR") {
      if (number_at(line.object, "/code") != kGone) {
        throw Error("the API server ended the watch of " + path_ + ": " + text_at(line.object, "/message"));
      }
      version_.clear();
      return false;
    }
    heard_ = true;
    version_ = version_of(line.object);
    if (line.type == "ADDED") return report(WatchEvent::Type::kAdded, std::move(line.object));
    if (line.type == "MODIFIED") return report(WatchEvent::Type::kModified, std::move(line.object));
    if (line.type == "DELETED") return report(WatchEvent::Type::kDeleted, std::move(line.object));
    return true;  // BOOKMARK
  }

  /// Tells the caller, and remembers. False where the caller has had enough.
  bool report(WatchEvent::Type type, Json object) {
    const WatchEvent event{type, std::move(object)};
    if (type == WatchEvent::Type::kDeleted) {
      known_.erase(uid_of(event.object));
    } else {
      known_[uid_of(event.object)] = event.object;
    }
    ended_ = !on_event_(event);
    return !ended_;
  }

  Client& client_;
  const std::string& path_;
  const Selector& selector_;
  const OnEvent& on_event_;
  const std::stop_token& stop_;

  std::map<std::string, Json> known_;  ///< by uid
  std::string version_;                ///< of the last change heard of; empty: list anew
  bool heard_ = false;                 ///< the server said something since the last step
  bool ended_ = false;                 ///< the caller has had enough
};

void Client::watch(const std::string& path, const Selector& selector,
                   const std::function<bool(const WatchEvent&)>& on_event, std::stop_token stop) {
  Watcher(*this, path, selector, on_event, stop).run();
}

}  // namespace gpuinfer::kube

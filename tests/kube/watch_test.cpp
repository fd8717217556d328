// Watching: lines out of pieces, and starting again where something was lost.
#include "kube/watch.hpp"

#include <memory>

#include "catch.hpp"
#include "kube/client.hpp"
#include "kube/fake_transport.hpp"

namespace gpuinfer::kube {
namespace {

using Type = WatchEvent::Type;

Json pod(const std::string& name, const std::string& version) {
  return {{"kind", "Pod"}, {"metadata", {{"name", name}, {"uid", "uid-" + name}, {"resourceVersion", version}}}};
}

std::string line(const std::string& type, const Json& object) {
  return Json({{"type", type}, {"object", object}}).dump() + "\n";
}

Json list_of(const std::vector<Json>& items, const std::string& version) {
  return {{"kind", "PodList"}, {"metadata", {{"resourceVersion", version}}}, {"items", items}};
}

/// "added a@1": what a watcher of pods sees.
std::string description(const WatchEvent& event) {
  const std::string name = event.object["metadata"]["name"];
  const std::string version = event.object["metadata"]["resourceVersion"];
  const std::string type = event.type == Type::kAdded      ? "added "
                           : event.type == Type::kModified ? "modified "
                                                           : "deleted ";
  return type + name + "@" + version;
}

/// Watches until `count` events have come.
std::vector<std::string> watch(const std::shared_ptr<FakeTransport>& transport, std::size_t count) {
  std::vector<std::string> seen;
  Client client(transport, "default");
  client.watch("/api/v1/namespaces/default/pods", {.labels = "a=b", .fields = ""}, [&](const WatchEvent& event) {
    seen.push_back(description(event));
    return seen.size() < count;
  });
  return seen;
}

using Events = std::vector<std::string>;

TEST_CASE("a watch stream may be cut anywhere") {
  const std::string stream =
      line("ADDED", pod("é", "1")) + "\n" + line("BOOKMARK", pod("", "2")) + line("DELETED", pod("b", "3"));
  for (std::size_t size = 1; size <= stream.size(); ++size) {
    WatchDecoder decoder;
    std::vector<std::string> types;
    for (std::size_t start = 0; start < stream.size(); start += size) {
      decoder.feed(std::string_view(stream).substr(start, size), [&](const WatchLine& event) {
        types.push_back(event.type);
        return true;
      });
    }
    CHECK(types == std::vector<std::string>{"ADDED", "BOOKMARK", "DELETED"});
  }
}

TEST_CASE("a watch stream stops where its reader has had enough") {
  WatchDecoder decoder;
  int count = 0;
  const std::string stream = line("ADDED", pod("a", "1")) + line("ADDED", pod("b", "2"));
  CHECK_FALSE(decoder.feed(stream, [&](const WatchLine&) {
    ++count;
    return false;
  }));
  CHECK(count == 1);
}

TEST_CASE("a line that is no event is an error") {
  const std::string bad =
      GENERATE("{\n", "[]\n", "{\"type\": 1, \"object\": {}}\n", "{\"type\": \"ADDED\"}\n", "\xff\n");
  WatchDecoder decoder;
  CHECK_THROWS_AS(decoder.feed(bad, [](const WatchLine&) { return true; }), Error);
}

TEST_CASE("a watch begins with what is there") {
  const auto transport = std::make_shared<FakeTransport>();
  transport->answer(200, list_of({pod("a", "1"), pod("b", "2")}, "5"));
  transport->stream({line("MODIFIED", pod("a", "6")), line("BOOKMARK", pod("", "7")) + line("DELETED", pod("b", "8"))});
  CHECK(watch(transport, 4) == Events{"added a@1", "added b@2", "modified a@6", "deleted b@8"});
  CHECK(transport->requests()[0].path == "/api/v1/namespaces/default/pods?labelSelector=a%3Db&limit=500");
  CHECK(transport->requests()[1].path ==
        "/api/v1/namespaces/default/pods?watch=true&allowWatchBookmarks=true&resourceVersion=5&timeoutSeconds=300&"
        "labelSelector=a%3Db");
}

TEST_CASE("a lost watch goes on where it was") {
  const auto transport = std::make_shared<FakeTransport>();
  transport->answer(200, list_of({}, "5"));
  transport->lose_connection({line("ADDED", pod("a", "6")), line("BOOKMARK", pod("", "9"))});
  transport->stream({line("ADDED", pod("b", "10"))});
  CHECK(watch(transport, 2) == Events{"added a@6", "added b@10"});
  CHECK(transport->requests()[2].path.find("resourceVersion=9&") != std::string::npos);
}

TEST_CASE("a server that is away for a moment is asked again") {
  const auto transport = std::make_shared<FakeTransport>();
  transport->answer(200, list_of({}, "5"));
  transport->lose_connection();
  transport->answer_text(503, "shutting down");
  transport->stream({line("ADDED", pod("a", "6"))});
  CHECK(watch(transport, 1) == Events{"added a@6"});
}

TEST_CASE("an expired resource version leads to a new list, and what changed meanwhile is reported") {
  const auto transport = std::make_shared<FakeTransport>();
  transport->answer(200, list_of({pod("gone", "1"), pod("changed", "2"), pod("same", "3")}, "5"));
  SECTION("said in the stream") {
    transport->stream({line("ERROR", {{"kind", "Status"}, {"code", 410}, {"reason", "Expired"}})});
  }
  SECTION("said at once") { transport->answer(410, Json{{"kind", "Status"}, {"code", 410}}); }
  transport->answer(200, list_of({pod("changed", "12"), pod("same", "3"), pod("new", "13")}, "20"));
  CHECK(watch(transport, 6) == Events{"added gone@1", "added changed@2", "added same@3", "deleted gone@1",
                                      "modified changed@12", "added new@13"});
}

TEST_CASE("an error in the stream that will not pass ends the watch") {
  const auto transport = std::make_shared<FakeTransport>();
  transport->answer(200, list_of({}, "5"));
  transport->stream({line("ERROR", {{"kind", "Status"}, {"code", 400}, {"message", "no such field"}})});
  CHECK_THROWS_WITH(watch(transport, 1), Catch::Contains("no such field"));
}

TEST_CASE("a watch that may not list says so at once") {
  const auto transport = std::make_shared<FakeTransport>();
  transport->answer(403,
                    Json{{"kind", "Status"}, {"code", 403}, {"message", "pods is forbidden: User \"x\" cannot list"}});
  CHECK_THROWS_AS(watch(transport, 1), ApiError);
  CHECK(transport->is_exhausted());
}

TEST_CASE("a watch ends when it is asked to") {
  const auto transport = std::make_shared<FakeTransport>();
  transport->answer(200, list_of({}, "5"));
  transport->lose_connection({line("ADDED", pod("a", "6"))});
  std::stop_source stop;
  Client client(transport, "default");
  const auto on_event = [&](const WatchEvent&) { return stop.request_stop(); };
  CHECK_THROWS_AS(client.watch("/api/v1/pods", {}, on_event, stop.get_token()), Interrupted);
}

}  // namespace
}  // namespace gpuinfer::kube

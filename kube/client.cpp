#include "kube/client.hpp"

#include <utility>

#include "kube/https_transport.hpp"
#include "kube/json_field.hpp"

namespace gpuinfer::kube {

namespace {

constexpr int kListPageSize = 500;

bool is_success(int status) { return status >= 200 && status < 300; }

std::string text_of(const std::optional<int>& number) { return number ? std::to_string(*number) : ""; }
std::string text_of(bool flag) { return flag ? "true" : ""; }

Query write_query(const WriteOptions& options) {
  return {{"fieldManager", options.field_manager}, {"dryRun", options.dry_run ? "All" : ""}};
}

Json parse_answer(const HttpRequest& request, const HttpResponse& response) {
  Json answer = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) {
    throw Error("the answer to " + request.method + " " + request.path + " is no JSON object",
                "is 'server' in the kubeconfig really a Kubernetes API server?");
  }
  return answer;
}

/// The kind of `object`, from its own words; without `plural`.
Resource described_by(const Json& object) {
  Resource resource{text_at(object, "/apiVersion"), text_at(object, "/kind"), "", true};
  if (resource.api_version.empty() || resource.kind.empty()) throw Error("an object without apiVersion and kind");
  return resource;
}

/// The objects of a list do not say what they are; the list does ("PodList").
void name_items(Json& list) {
  const std::string api_version = text_at(list, "/apiVersion");
  std::string kind = text_at(list, "/kind");
  if (!kind.ends_with("List")) return;
  kind.resize(kind.size() - std::string_view("List").size());
  for (Json& item : list["items"]) {
    if (!item.is_object()) continue;
    item["apiVersion"] = api_version;
    item["kind"] = kind;
  }
}

}  // namespace

Client::Client(const Connection& connection) : Client(https_transport(connection), connection.namespace_name) {}

Client::Client(std::shared_ptr<Transport> transport, std::string namespace_name)
    : transport_(std::move(transport)), namespace_name_(std::move(namespace_name)) {}

HttpResponse Client::send(const HttpRequest& request, const BodyReceiver& receive, std::stop_token stop) {
  HttpResponse response = transport_->send(request, receive, std::move(stop));
  if (!is_success(response.status)) throw api_error(request, response);
  return response;
}

Json Client::send_json(const HttpRequest& request, std::stop_token stop) {
  return parse_answer(request, send(request, {}, std::move(stop)));
}

Resource Client::resource_of(const Json& object, std::stop_token stop) {
  Resource resource = described_by(object);
  if (std::optional<Resource> known = known_resource(resource.api_version, resource.kind)) return *known;
  const bool is_core = resource.api_version.find('/') == std::string::npos;
  const std::optional<Json> answer = find((is_core ? "/api/" : "/apis/") + resource.api_version, std::move(stop));
  const Json candidates = answer ? answer->value("resources", Json::array()) : Json::array();
  for (const Json& candidate : candidates) {
    const std::string plural = text_at(candidate, "/name");
    const bool is_subresource = plural.find('/') != std::string::npos;
    if (text_at(candidate, "/kind") != resource.kind || is_subresource) continue;
    resource.plural = plural;
    resource.namespaced = flag_at(candidate, "/namespaced");
    return resource;
  }
  throw UnknownKind("the cluster knows no " + resource.kind + " of " + resource.api_version,
                    "its custom resource definition may not be installed; see `kubectl api-resources`");
}

std::string Client::collection_of(const Json& object, std::stop_token stop) {
  const std::string own_namespace = text_at(object, "/metadata/namespace");
  return resource_path(resource_of(object, std::move(stop)), own_namespace.empty() ? namespace_name_ : own_namespace);
}

std::string Client::path_of(const Json& object, std::stop_token stop) {
  const std::string name = text_at(object, "/metadata/name");
  if (name.empty()) throw Error(object_name(object) + " has no name");
  return collection_of(object, std::move(stop)) + "/" + percent_encode(name);
}

Json Client::get(const std::string& path, std::stop_token stop) { return send_json({.path = path}, std::move(stop)); }

std::optional<Json> Client::find(const std::string& path, std::stop_token stop) {
  const HttpRequest request{.path = path};
  const HttpResponse response = transport_->send(request, {}, std::move(stop));
  if (response.status == 404) return std::nullopt;
  if (!is_success(response.status)) throw api_error(request, response);
  return parse_answer(request, response);
}

Json Client::list(const std::string& path, const Selector& selector, std::stop_token stop) {
  Json list;
  std::string limit = std::to_string(kListPageSize);
  std::string next_page;
  do {
    const Query query = {{"labelSelector", selector.labels},
                         {"fieldSelector", selector.fields},
                         {"limit", limit},
                         {"continue", next_page}};
    Json page;
    try {
      page = send_json({.path = with_query(path, query)}, stop);
    } catch (const ApiError& error) {
      constexpr int kGone = 410;  // the list's version is too old to continue: take it in one piece
      if (error.code() != kGone || next_page.empty()) throw;
      list = nullptr;
      limit.clear();
      next_page.clear();
      continue;
    }
    if (!page.contains("items") || !page["items"].is_array()) page["items"] = Json::array();
    next_page = text_at(page, "/metadata/continue");
    if (list.is_null()) {
      list = std::move(page);
    } else {
      for (Json& item : page["items"]) list["items"].push_back(std::move(item));
    }
  } while (list.is_null() || !next_page.empty());
  name_items(list);
  return list;
}

Json Client::create(const Json& object, const WriteOptions& options, std::stop_token stop) {
  const std::string path = with_query(collection_of(object, stop), write_query(options));
  return send_json({.method = "POST", .path = path, .body = object.dump()}, stop);
}

Applied Client::apply(const Json& object, const WriteOptions& options, std::stop_token stop) {
  Query query = write_query(options);
  query.emplace_back("force", text_of(options.force));
  // JSON is YAML, and the server takes nothing else for an apply.
  const HttpRequest request{.method = "PATCH",
                            .path = with_query(path_of(object, stop), query),
                            .body = object.dump(),
                            .content_type = "application/apply-patch+yaml"};
  const HttpResponse response = send(request, {}, stop);
  constexpr int kCreated = 201;
  return {parse_answer(request, response), response.status == kCreated};
}

Json Client::replace(const Json& object, const WriteOptions& options, std::stop_token stop) {
  const std::string path = with_query(path_of(object, stop), write_query(options));
  return send_json({.method = "PUT", .path = path, .body = object.dump()}, stop);
}

Json Client::patch(const std::string& path, const std::string& content_type, const Json& patch,
                   const WriteOptions& options, std::stop_token stop) {
  return send_json({.method = "PATCH",
                    .path = with_query(path, write_query(options)),
                    .body = patch.dump(),
                    .content_type = content_type},
                   std::move(stop));
}

bool Client::remove(const std::string& path, const DeleteOptions& options, std::stop_token stop) {
  const Json body = {{"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"propagationPolicy", options.propagation}};
  const HttpRequest request{
      .method = "DELETE", .path = with_query(path, {{"dryRun", options.dry_run ? "All" : ""}}), .body = body.dump()};
  const HttpResponse response = transport_->send(request, {}, std::move(stop));
  if (response.status == 404) return false;
  if (!is_success(response.status)) throw api_error(request, response);
  return true;
}

void Client::logs(const std::string& namespace_name, const std::string& pod, const LogOptions& options,
                  const BodyReceiver& receive, std::stop_token stop) {
  const std::string path = with_query(resource_path("v1", "Pod", namespace_name, pod) + "/log",
                                      {{"container", options.container},
                                       {"follow", text_of(options.follow)},
                                       {"previous", text_of(options.previous)},
                                       {"timestamps", text_of(options.timestamps)},
                                       {"tailLines", text_of(options.tail_lines)},
                                       {"sinceSeconds", text_of(options.since_seconds)}});
  HttpRequest request{.path = path};
  if (options.follow) request.timeout = std::chrono::seconds(0);  // a container may be silent for days
  send(request, receive, std::move(stop));
}

HttpResponse Client::proxy(const ServicePort& service, HttpRequest request, const BodyReceiver& receive,
                           std::stop_token stop) {
  request.path = resource_path("v1", "Service", service.namespace_name, service.service) + ":" +
                 percent_encode(service.port) + "/proxy" + request.path;
  HttpResponse response = transport_->send(request, receive, std::move(stop));
  if (!is_success(response.status)) {
    ApiError error = api_error(request, response);
    const bool from_api_server = !error.status().is_null();
    if (from_api_server) throw error;
  }
  return response;
}

}  // namespace gpuinfer::kube

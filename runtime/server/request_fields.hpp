// Reads the fields of a request body: the right type and range, or an error that names the field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::server {

/// The JSON value of an HTTP body. Throws ApiError (400) where it is not JSON, or nested deeper than 64 levels.
Json parse_body(std::string_view text);

/// A JSON object whose fields are asked for by name. A field that is null counts as absent, as OpenAI's clients send
/// it. All members throw ApiError (400) where a field is there but not what was asked for.
class RequestFields {
 public:
  /// `object` must outlive this. `place` goes in front of field names in errors: "stream_options.".
  explicit RequestFields(const Json& object, std::string place = "");

  /// nullptr where the field is absent.
  const Json* find(std::string_view name) const;

  std::optional<bool> boolean(std::string_view name) const;
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t low, std::int64_t high) const;
  std::optional<double> number(std::string_view name, double low, double high) const;
  std::optional<std::string> string(std::string_view name) const;
  /// One string, or up to `limit` of them; none may be empty.
  std::vector<std::string> strings(std::string_view name, std::size_t limit) const;
  /// An array of integers from 0; empty where the field is absent.
  std::vector<TokenId> token_ids(std::string_view name) const;

  /// "stream_options.include_usage"
  std::string full_name(std::string_view name) const { return place_ + std::string(name); }

 private:
  const Json& object_;
  std::string place_;
};

/// The token ids of a JSON array. Throws ApiError (400) naming `field` where it is something else.
std::vector<TokenId> parse_token_ids(const Json& array, const std::string& field);

}  // namespace gpuinfer::server

#include "runtime/server/request_fields.hpp"

#include <algorithm>
#include <limits>
#include <sstream>
#include <utility>

#include "runtime/server/api_error.hpp"

namespace gpuinfer::server {
namespace {

// Nothing that the API knows is nested deeper than a JSON schema; walking a value is recursive.
constexpr int kMaxDepth = 64;

ApiError wrong_type(const std::string& name, std::string_view expected, const Json& value) {
  return invalid_request("'" + name + "' must be " + std::string(expected) + ", not " + value.type_name() + ".", name);
}

template <class Number>
ApiError out_of_range(const std::string& name, Number low, Number high, const Json& value) {
  std::ostringstream message;
  message << "'" << name << "' must be between " << low << " and " << high << ", not " << value << ".";
  return invalid_request(message.str(), name);
}

}  // namespace

Json parse_body(std::string_view text) {
  const auto limit_depth = [](int depth, Json::parse_event_t, const Json&) {
    if (depth > kMaxDepth)
      throw invalid_request("The body is nested deeper than " + std::to_string(kMaxDepth) + " levels.");
    return true;
  };
  try {
    return Json::parse(text, limit_depth);
  } catch (const Json::parse_error& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ...; last read: '...'": the end may be all of
    // a prompt.
    const std::string reason = error.what();
    const std::size_t begin = reason.find(']') + 2;
    const std::size_t end = std::min(reason.find("; last read"), reason.size());
    throw invalid_request("The body is not valid JSON: " + reason.substr(begin, end - begin) + ".");
  } catch (const Json::out_of_range& error) {
    throw invalid_request("The body has a number that is out of range.");
  }
}

RequestFields::RequestFields(const Json& object, std::string place) : object_(object), place_(std::move(place)) {
  if (object.is_object()) return;
  const std::string name = place_.substr(0, place_.rfind('.'));
  if (name.empty())
    throw invalid_request(std::string("The body must be a JSON object, not ") + object.type_name() + ".");
  throw wrong_type(name, "an object", object);
}

const Json* RequestFields::find(std::string_view name) const {
  const auto field = object_.find(name);
  return field == object_.end() || field->is_null() ? nullptr : &*field;
}

std::optional<bool> RequestFields::boolean(std::string_view name) const {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) throw wrong_type(full_name(name), "a boolean", *value);
  return value->get<bool>();
}

std::optional<std::int64_t> RequestFields::integer(std::string_view name, std::int64_t low, std::int64_t high) const {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_number_integer()) throw wrong_type(full_name(name), "an integer", *value);
  // What does not fit into 64 signed bits is kept as an unsigned number.
  const bool too_large =
      value->is_number_unsigned() && value->get<std::uint64_t>() > static_cast<std::uint64_t>(high < 0 ? 0 : high);
  if (too_large || value->get<std::int64_t>() < low || value->get<std::int64_t>() > high) {
    throw out_of_range(full_name(name), low, high, *value);
  }
  return value->get<std::int64_t>();
}

std::optional<double> RequestFields::number(std::string_view name, double low, double high) const {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_number()) throw wrong_type(full_name(name), "a number", *value);
  const double number = value->get<double>();
  if (!(number >= low && number <= high)) throw out_of_range(full_name(name), low, high, *value);
  return number;
}

std::optional<std::string> RequestFields::string(std::string_view name) const {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_string()) throw wrong_type(full_name(name), "a string", *value);
  return value->get<std::string>();
}

std::vector<std::string> RequestFields::strings(std::string_view name, std::size_t limit) const {
  const Json* value = find(name);
  if (!value) return {};
  std::vector<std::string> strings;
  if (value->is_string()) {
    strings.push_back(value->get<std::string>());
  } else if (value->is_array()) {
    if (value->size() > limit) {
      throw invalid_request("'" + full_name(name) + "' has " + std::to_string(value->size()) +
                                " strings, and may have " + std::to_string(limit) + ".",
                            full_name(name));
    }
    for (const Json& element : *value) {
      if (!element.is_string()) throw wrong_type(full_name(name), "a string or an array of strings", element);
      strings.push_back(element.get<std::string>());
    }
  } else {
    throw wrong_type(full_name(name), "a string or an array of strings", *value);
  }
  for (const std::string& string : strings) {
    if (string.empty()) throw invalid_request("'" + full_name(name) + "' has an empty string.", full_name(name));
  }
  return strings;
}

std::vector<TokenId> RequestFields::token_ids(std::string_view name) const {
  const Json* value = find(name);
  return value ? parse_token_ids(*value, full_name(name)) : std::vector<TokenId>();
}

std::vector<TokenId> parse_token_ids(const Json& array, const std::string& field) {
  if (!array.is_array()) throw wrong_type(field, "an array of token ids", array);
  std::vector<TokenId> tokens;
  for (const Json& value : array) {
    constexpr std::uint64_t kMaxToken = std::numeric_limits<TokenId>::max();
    const bool valid = value.is_number_unsigned() && value.get<std::uint64_t>() <= kMaxToken;
    if (!valid) throw invalid_request("'" + field + "' must hold token ids, integers from 0.", field);
    tokens.push_back(value.get<TokenId>());
  }
  return tokens;
}

}  // namespace gpuinfer::server

// Checks of types, once for all settings.
#include "runtime/model/settings.hpp"

#include <cmath>
#include <utility>

#include "base/error.hpp"

namespace gpuinfer::model {

Settings::Settings(const Json& json, std::string place) : json_(json), place_(std::move(place)) {
  if (!json_.is_object()) throw Error(place_ + ": not a JSON object");
}

void Settings::refuse(const std::string& what) const {
  throw Error(place_ + ": " + what, "The model is of a kind that is not supported yet.");
}

const Json* Settings::find(const char* key) const {
  const auto found = json_.find(key);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

std::int64_t Settings::integer(const char* key) const {
  const Json* value = find(key);
  if (value == nullptr) throw Error(place_ + ": '" + key + "' is missing");
  // A number beyond int64 is stored unsigned and would turn negative.
  if (!value->is_number_integer() || (value->is_number_unsigned() && value->get<std::uint64_t>() >> 63 != 0)) {
    throw Error(place_ + ": '" + key + "' is not an integer");
  }
  return value->get<std::int64_t>();
}

std::int64_t Settings::integer(const char* key, std::int64_t otherwise) const {
  return has(key) ? integer(key) : otherwise;
}

double Settings::real(const char* key) const {
  const Json* value = find(key);
  if (value == nullptr) throw Error(place_ + ": '" + key + "' is missing");
  if (!value->is_number()) throw Error(place_ + ": '" + key + "' is not a number");
  return value->get<double>();
}

double Settings::real(const char* key, double otherwise) const { return has(key) ? real(key) : otherwise; }

double Settings::positive(const char* key) const {
  const double value = real(key);
  if (!(value > 0) || !std::isfinite(value)) refuse(std::string("'") + key + "' is not positive");
  return value;
}

double Settings::positive(const char* key, double otherwise) const { return has(key) ? positive(key) : otherwise; }

bool Settings::boolean(const char* key, bool otherwise) const {
  const Json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) throw Error(place_ + ": '" + key + "' is not true or false");
  return value->get<bool>();
}

std::string Settings::string(const char* key, const std::string& otherwise) const {
  const Json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) throw Error(place_ + ": '" + key + "' is not a string");
  return value->get<std::string>();
}

Settings Settings::object(const char* key) const { return {*find(key), place_ + ": " + key}; }

}  // namespace gpuinfer::model

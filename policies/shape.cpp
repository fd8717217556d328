#include "policies/shape.hpp"

#include <utility>

#include "base/error.hpp"

namespace gpuinfer::policies {

namespace {

bool has_type(const Json& value, Shape::Type type) {
  switch (type) {
    case Shape::Type::kText:
      return value.is_string();
    case Shape::Type::kBoolean:
      return value.is_boolean();
    case Shape::Type::kList:
      return value.is_array();
    case Shape::Type::kObject:
    case Shape::Type::kMap:
      return value.is_object();
  }
  return false;
}

const char* type_name(Shape::Type type) {
  switch (type) {
    case Shape::Type::kText:
      return "a string";
    case Shape::Type::kBoolean:
      return "a boolean";
    case Shape::Type::kList:
      return "a list";
    case Shape::Type::kObject:
    case Shape::Type::kMap:
      return "an object";
  }
  return "";
}

}  // namespace

Shape text() { return {.type = Shape::Type::kText, .fields = {}}; }
Shape boolean() { return {.type = Shape::Type::kBoolean, .fields = {}}; }
Shape object(std::vector<Shape::Field> fields) { return {.type = Shape::Type::kObject, .fields = std::move(fields)}; }
Shape list(Shape element) { return {.type = Shape::Type::kList, .fields = {{"", std::move(element)}}}; }
Shape map(Shape value) { return {.type = Shape::Type::kMap, .fields = {{"", std::move(value)}}}; }
Shape map_of_anything() { return {.type = Shape::Type::kMap, .fields = {}}; }

void check_shape(const Json& value, const Shape& shape, const std::string& path) {
  if (value.is_null()) return;
  if (!has_type(value, shape.type)) {
    throw Error(path + " must be " + type_name(shape.type) + " but is " + value.type_name());
  }
  if (shape.type == Shape::Type::kObject) {
    for (const Shape::Field& field : shape.fields) {
      const auto found = value.find(field.key);
      if (found != value.end()) check_shape(*found, field.shape, path + "." + field.key);
    }
    return;
  }
  if (shape.fields.empty()) return;
  const Shape& element = shape.fields.front().shape;
  if (shape.type == Shape::Type::kList) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      check_shape(value[i], element, path + "[" + std::to_string(i) + "]");
    }
  } else {
    for (const auto& [key, item] : value.items()) check_shape(item, element, path + "." + key);
  }
}

}  // namespace gpuinfer::policies

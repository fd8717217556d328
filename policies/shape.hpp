// Shapes: the JSON types that code is about to rely on, checked in one place, so that the code after it can be simple.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"

namespace gpuinfer::policies {

/// What a JSON value must be. Only fields that somebody reads are described; all others may be anything.
struct Shape {
  enum class Type { kText, kBoolean, kObject, kList, kMap };
  struct Field;

  Type type = Type::kText;
  std::vector<Field> fields;  ///< of a kObject by key; the one element of a kList or kMap under ""
};

struct Shape::Field {
  std::string key;
  Shape shape;
};

Shape text();
Shape boolean();
Shape object(std::vector<Shape::Field> fields);
Shape list(Shape element);
Shape map(Shape value);
/// A map whose values nobody relies on (quantities are strings or numbers).
Shape map_of_anything();

/// Absent fields and nulls fit every shape. Throws Error "PATH must be a list but is a string".
void check_shape(const Json& value, const Shape& shape, const std::string& path);

}  // namespace gpuinfer::policies

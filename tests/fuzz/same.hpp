// Equality of JSON values without the order of their members, which a JSON Patch cannot change.
#pragma once

#include "base/json.hpp"

namespace gpuinfer::fuzz {

inline bool same(const Json& a, const Json& b) {
  if (!a.is_structured() || a.type() != b.type() || a.size() != b.size()) return a == b;
  for (auto item = a.begin(); item != a.end(); ++item) {
    if (a.is_array()) {
      if (!same(*item, b[static_cast<std::size_t>(item - a.begin())])) return false;
    } else if (const auto other = b.find(item.key()); other == b.end() || !same(*item, *other)) {
      return false;
    }
  }
  return true;
}

}  // namespace gpuinfer::fuzz

#include "policies/json_patch.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gpuinfer::policies {

namespace {

/// A key as a part of a JSON pointer (RFC 6901).
std::string escaped(std::string_view key) {
  std::string text;
  for (const char c : key) {
    if (c == '~') {
      text += "~0";
    } else if (c == '/') {
      text += "~1";
    } else {
      text += c;
    }
  }
  return text;
}

/// Walks through two values side by side and writes down where they differ. Nothing is copied but what goes into the
/// patch: this runs for every pod.
class Comparison {
 public:
  void compare(const Json& before, const Json& after) {
    if (before.is_object() && after.is_object()) {
      compare_objects(before, after);
    } else if (before.is_array() && after.is_array()) {
      compare_arrays(before, after);
    } else if (before != after) {
      add_change({{"op", "replace"}, {"path", path_}, {"value", after}});
    }
  }

  /// The tests come first: they speak of `before`, and no change moves an element that another one changes.
  Json patch() && {
    for (Json& change : changes_) tests_.push_back(std::move(change));
    return std::move(tests_);
  }

 private:
  /// An element of an array that the path goes through.
  struct Element {
    std::size_t path_length;
    const Json* value;
    bool is_tested = false;
  };

  /// Goes down one step while it lives.
  class Step {
   public:
    Step(Comparison& comparison, std::string_view part) : path_(comparison.path_), length_(path_.size()) {
      path_ += '/';
      path_ += part;
    }
    ~Step() { path_.resize(length_); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    std::string& path_;
    std::size_t length_;
  };

  void compare_objects(const Json& before, const Json& after) {
    // Most keys stand in the same order in both, so the next one is looked at first.
    auto next = after.begin();
    std::size_t common = 0;
    for (auto member = before.begin(); member != before.end(); ++member) {
      const auto twin = next != after.end() && next.key() == member.key() ? next : after.find(member.key());
      if (twin == after.end()) {
        const Step step(*this, escaped(member.key()));
        add_change({{"op", "remove"}, {"path", path_}});
        continue;
      }
      ++common;
      next = std::next(twin);
      if (member->is_primitive() && *member == *twin) continue;
      const Step step(*this, escaped(member.key()));
      compare(*member, *twin);
    }
    if (common == after.size()) return;
    for (auto member = after.begin(); member != after.end(); ++member) {
      if (before.contains(member.key())) continue;
      const Step step(*this, escaped(member.key()));
      add_change({{"op", "add"}, {"path", path_}, {"value", *member}});
    }
  }

  void compare_arrays(const Json& before, const Json& after) {
    const std::size_t common = std::min(before.size(), after.size());
    for (std::size_t i = 0; i < common; ++i) {
      const Step step(*this, std::to_string(i));
      elements_.push_back({path_.size(), &before[i]});
      compare(before[i], after[i]);
      elements_.pop_back();
    }
    for (std::size_t i = before.size(); i > common; --i) {  // from the end, so that no element moves
      const Step step(*this, std::to_string(i - 1));
      elements_.push_back({path_.size(), &before[i - 1]});
      add_change({{"op", "remove"}, {"path", path_}});
      elements_.pop_back();
    }
    for (std::size_t i = common; i < after.size(); ++i) {
      const Step step(*this, "-");
      add_change({{"op", "add"}, {"path", path_}, {"value", after[i]}});
    }
  }

  void add_change(Json change) {
    for (Element& element : elements_) {
      if (!element.is_tested) add_test(element);
      element.is_tested = true;
    }
    changes_.push_back(std::move(change));
  }

  /// A name says which element it is; an element without one has to be tested as a whole.
  void add_test(const Element& element) {
    const Json& value = *element.value;
    const std::string path = path_.substr(0, element.path_length);
    if (value.is_object() && value.contains("name")) {
      tests_.push_back({{"op", "test"}, {"path", path + "/name"}, {"value", value["name"]}});
    } else {
      tests_.push_back({{"op", "test"}, {"path", path}, {"value", value}});
    }
  }

  std::string path_;
  std::vector<Element> elements_;
  Json tests_ = Json::array();
  Json changes_ = Json::array();
};

}  // namespace

Json json_patch(const Json& before, const Json& after) {
  Comparison comparison;
  comparison.compare(before, after);
  return std::move(comparison).patch();
}

}  // namespace gpuinfer::policies

#include "webhook/review_json.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "webhook/admission_review.hpp"

namespace gpuinfer::webhook {

namespace {

constexpr std::size_t kMaxNesting = 500;

/// Builds a value from the parser's events. The members of all open objects and arrays lie on one stack; when one is
/// closed, its members move into a container of just the right size.
class Builder final : public Json::json_sax_t {
 public:
  Json take() { return std::move(root_); }
  /// Why the parser was stopped.
  const std::string& error() const { return error_; }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(std::int64_t value) override { return add(value); }
  bool number_unsigned(std::uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string&) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(Json::binary_t&) override { return false; }  // not in JSON
  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return open(); }

  bool key(std::string& key) override {
    if (skipped_depth_ > 0) return true;
    key_ = std::move(key);
    skips_next_ = is_unread(key_);
    return true;
  }

  bool end_object() override {
    if (skipped_depth_ > 0) return close_skipped();
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(open_.back().first);
    if (!has_unique_keys(first)) return fail("the body has a key twice in one object");
    Json::object_t object;
    object.reserve(static_cast<std::size_t>(stack_.end() - first));
    for (auto member = first; member != stack_.end(); ++member) {
      object.emplace_back(std::move(member->key), std::move(member->value));
    }
    return close(Json(std::move(object)));
  }

  bool end_array() override {
    if (skipped_depth_ > 0) return close_skipped();
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(open_.back().first);
    Json::array_t array;
    array.reserve(static_cast<std::size_t>(stack_.end() - first));
    for (auto member = first; member != stack_.end(); ++member) array.push_back(std::move(member->value));
    return close(Json(std::move(array)));
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception& exception) override {
    const bool is_number = dynamic_cast<const Json::out_of_range*>(&exception) != nullptr;
    return fail(is_number ? "the body has a number that is out of range"
                          : "the body is not JSON: byte " + std::to_string(position));
  }

 private:
  struct Member {
    std::string key;  ///< empty in an array
    Json value;
  };
  using Members = std::vector<Member>;

  /// An object or an array whose end has not come yet.
  struct Open {
    std::string key;    ///< in what it is a member of
    std::size_t first;  ///< its first member on the stack
  };

  /// `key` is in the object that was opened last.
  bool is_unread(const std::string& key) const {
    if (open_.back().key == "metadata") return key == "managedFields";
    return open_.size() == 2 && (key == "oldObject" || key == "options" || key == "userInfo");
  }

  template <typename Value>
  bool add(Value&& value) {
    if (skipped_depth_ > 0) return true;
    if (std::exchange(skips_next_, false)) return true;
    if (open_.empty()) {
      root_ = Json(std::forward<Value>(value));
    } else {
      stack_.push_back({std::move(key_), Json(std::forward<Value>(value))});
      key_.clear();
    }
    return true;
  }

  bool open() {
    if (open_.size() + skipped_depth_ == kMaxNesting) return fail("the body is nested more than 500 levels deep");
    if (skipped_depth_ > 0 || std::exchange(skips_next_, false)) {
      ++skipped_depth_;
      return true;
    }
    open_.push_back({std::move(key_), stack_.size()});
    key_.clear();
    return true;
  }

  bool close_skipped() {
    --skipped_depth_;
    return true;
  }

  bool close(Json value) {
    stack_.resize(open_.back().first);
    key_ = std::move(open_.back().key);
    open_.pop_back();
    return add(std::move(value));
  }

  bool has_unique_keys(Members::const_iterator first) {
    const auto is_same = [](const Member* a, const Member* b) { return a->key == b->key; };
    sorted_.clear();
    for (auto member = first; member != stack_.end(); ++member) sorted_.push_back(&*member);
    std::sort(sorted_.begin(), sorted_.end(), [](const Member* a, const Member* b) { return a->key < b->key; });
    return std::adjacent_find(sorted_.begin(), sorted_.end(), is_same) == sorted_.end();
  }

  bool fail(std::string error) {
    error_ = std::move(error);
    return false;
  }

  Json root_;
  Members stack_;
  std::vector<Open> open_;
  std::vector<const Member*> sorted_;
  std::string key_;
  bool skips_next_ = false;
  std::size_t skipped_depth_ = 0;
  std::string error_;
};

}  // namespace

Json parse_body(std::string_view body) {
  Builder builder;
  if (!Json::sax_parse(body, &builder)) throw BadReview(builder.error());
  return builder.take();
}

}  // namespace gpuinfer::webhook

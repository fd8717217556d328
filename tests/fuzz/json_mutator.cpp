#include "tests/fuzz/json_mutator.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace gpuinfer::fuzz {

namespace {

using Random = std::minstd_rand;

/// Documents as deep as this are refused before anything looks at them; libFuzzer's byte mutations still make some.
constexpr int kMaxDepth = 100;

Json parse(std::string_view text) {
  const auto too_deep = [](int depth, Json::parse_event_t, Json&) { return depth < kMaxDepth; };
  return Json::parse(text, too_deep, /*allow_exceptions=*/false);
}

std::size_t write(const Json& document, std::uint8_t* out, std::size_t max_size) {
  const std::string text = document.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > max_size) return 0;
  std::memcpy(out, text.data(), text.size());
  return text.size();
}

void collect(Json& value, std::vector<Json*>& values) {
  values.push_back(&value);
  if (!value.is_structured()) return;
  for (Json& item : value) collect(item, values);
}

/// Any value of the document, the document itself included.
Json& any(Json& document, Random& random) {
  std::vector<Json*> values;
  collect(document, values);
  return *values[random() % values.size()];
}

/// Any object or array that holds something; null where there is none.
Json* any_container(Json& document, Random& random) {
  std::vector<Json*> values;
  collect(document, values);
  std::erase_if(values, [](const Json* value) { return !value->is_structured() || value->empty(); });
  return values.empty() ? nullptr : values[random() % values.size()];
}

Json::iterator any_item(Json& container, Random& random) {
  return std::next(container.begin(), static_cast<std::ptrdiff_t>(random() % container.size()));
}

/// Another text of up to 64 more bytes.
std::string changed(std::string text) {
  const std::size_t size = text.size();
  text.resize(size + 64);
  text.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(text.data()), size, text.size()));
  return text;
}

/// Values that no field expects, or not every one.
const Json& foreign_value(Random& random) {
  static const Json values = Json::parse(
      R"([null, true, false, 0, -1, 9223372036854775807, 18446744073709551615, 1e308, "", "0", "1Gi", "text", [], {},
          [null], [""], [[]], [{}], {"": null}, {"name": 1}, {"name": "a"}])");
  return values[random() % values.size()];
}

void mutate_value(Json& document, Random& random) {
  Json& value = any(document, random);
  switch (random() % 3) {
    case 0:
      value = foreign_value(random);
      break;
    case 1: {
      const Json copy = any(document, random);
      value = copy;
      break;
    }
    default:
      if (value.is_string()) value = changed(value.get<std::string>());
      if (value.is_number()) value = random() % 16;
  }
}

void mutate_array(Json& array, Random& random) {
  switch (random() % 3) {
    case 0:
      array.erase(any_item(array, random));
      break;
    case 1: {
      const Json copy = *any_item(array, random);
      array.push_back(copy);
      break;
    }
    default:
      std::shuffle(array.begin(), array.end(), random);
  }
}

void mutate_object(Json& object, Random& random) {
  const auto item = any_item(object, random);
  switch (random() % 3) {
    case 0:
      object.erase(item);
      break;
    case 1: {
      const Json copy = *item;
      const std::string key = changed(item.key());
      object[key] = copy;
      break;
    }
    default:
      *item = foreign_value(random);
  }
}

void mutate(Json& document, Random& random) {
  Json* container = random() % 2 == 0 ? any_container(document, random) : nullptr;
  if (container == nullptr) {
    mutate_value(document, random);
  } else if (container->is_array()) {
    mutate_array(*container, random);
  } else {
    mutate_object(*container, random);
  }
}

}  // namespace

std::size_t mutate_json(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
  Random random(seed);
  Json document = parse({reinterpret_cast<const char*>(data), size});
  if (document.is_discarded() || random() % 16 == 0) return LLVMFuzzerMutate(data, size, max_size);
  for (auto edits = 1 + random() % 3; edits > 0; --edits) mutate(document, random);
  const std::size_t written = write(document, data, max_size);
  return written > 0 ? written : LLVMFuzzerMutate(data, size, max_size);
}

std::size_t cross_json(std::string_view first, std::string_view second, std::uint8_t* out, std::size_t max_out_size,
                       unsigned seed) {
  Random random(seed);
  Json document = parse(first);
  Json donor = parse(second);
  if (document.is_discarded() || donor.is_discarded()) return 0;
  any(document, random) = any(donor, random);
  return write(document, out, max_out_size);
}

}  // namespace gpuinfer::fuzz

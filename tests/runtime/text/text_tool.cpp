// The text/ library as a program, so that tests and benchmarks in Python can compare it with other implementations.
// Each mode reads JSON values from standard input, one a line, and answers each with a line of JSON.
//   encode MODEL    {"text": ..., "special": bool} to ids; MODEL is a tokenizer.json or a model's file or folder
//   both MODEL      {"text": ...} to {"ids": ..., "text": their text, "stream": what a stream shows, put together}
//   decode MODEL    ids to {"text": the whole, "pieces": what a stream shows token by token}
//   time MODEL      {"text": ...} to {"ids": how many, "seconds": what encoding took, "load_seconds": what loading
//   took} render          {"template": ..., "special_tokens": {...}, "variables": {...}, "now": seconds} to {"text"}
#include <ctime>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"
#include "runtime/model/model.hpp"
#include "runtime/server/model_text.hpp"
#include "runtime/text/chat_template.hpp"
#include "runtime/text/detokenizer.hpp"
#include "runtime/text/tokenizer.hpp"
#include "runtime/text/tokenizer_json.hpp"

namespace {

using namespace gpuinfer;

text::Tokenizer load_tokenizer(const std::string& path) {
  if (path.ends_with(".json")) return text::Tokenizer(text::read_tokenizer_json(path));
  return server::load_model_text(model::find_model(path)).tokenizer;
}

Json encode(const text::Tokenizer& tokenizer, const Json& input) {
  const auto origin = input.value("special", false) ? text::Origin::kTemplate : text::Origin::kUser;
  return tokenizer.encode(input.at("text").get_ref<const std::string&>(), origin);
}

Json decode(const text::Tokenizer& tokenizer, const Json& input) {
  const auto ids = input.get<std::vector<TokenId>>();
  text::Detokenizer detokenizer(tokenizer, text::SpecialTokens::kKeep);
  Json pieces = Json::array();
  for (const TokenId id : ids) pieces.push_back(detokenizer.add(id));
  pieces.push_back(detokenizer.finish());
  return {{"text", tokenizer.decode(ids, text::SpecialTokens::kKeep)}, {"pieces", pieces}};
}

Json encode_and_decode(const text::Tokenizer& tokenizer, const Json& input) {
  const auto ids = tokenizer.encode(input.at("text").get_ref<const std::string&>());
  text::Detokenizer detokenizer(tokenizer, text::SpecialTokens::kKeep);
  std::string stream;
  for (const TokenId id : ids) stream += detokenizer.add(id);
  stream += detokenizer.finish();
  return {{"ids", ids}, {"text", tokenizer.decode(ids, text::SpecialTokens::kKeep)}, {"stream", stream}};
}

/// Processor time of this process so far, which a busy machine disturbs less than a clock on the wall.
double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double load_seconds = 0;

Json time_encoding(const text::Tokenizer& tokenizer, const Json& input) {
  const double begin = processor_seconds();
  const auto ids = tokenizer.encode(input.at("text").get_ref<const std::string&>());
  return {{"ids", ids.size()}, {"seconds", processor_seconds() - begin}, {"load_seconds", load_seconds}};
}

Json render(const Json& input) {
  try {
    const auto special_tokens = input.value("special_tokens", Json::object()).get<std::map<std::string, std::string>>();
    const text::ChatTemplate chat_template(input.at("template").get<std::string>(), special_tokens);
    return {{"text", chat_template.render(input.at("variables"), input.value("now", std::time_t{0})).str()}};
  } catch (const Error& error) {
    return {{"error", error.what()}};
  }
}

template <class Function>
void answer_lines(Function function) {
  for (std::string line; std::getline(std::cin, line);) std::cout << function(Json::parse(line)).dump() << '\n';
}

int run(std::string_view mode, int argc, char** argv) {
  if (mode == "render" && argc == 2) {
    answer_lines(render);
    return 0;
  }
  static const std::map<std::string_view, Json (*)(const text::Tokenizer&, const Json&)> kModes = {
      {"encode", encode}, {"both", encode_and_decode}, {"decode", decode}, {"time", time_encoding}};
  const auto answer = kModes.find(mode);
  if (argc != 3 || answer == kModes.end()) return 2;
  const text::Tokenizer tokenizer = load_tokenizer(argv[2]);
  load_seconds = processor_seconds();
  answer_lines([&](const Json& input) { return answer->second(tokenizer, input); });
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return argc < 2 ? 2 : run(argv[1], argc, argv);
  } catch (const gpuinfer::Error& error) {
    std::cerr << "error: " << error.what() << '\n' << error.remedy() << '\n';
    return 1;
  }
}

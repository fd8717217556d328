// The text/ library as a program, so that tests in Python can compare it with other implementations.
//   gpuinfer-text-tool encode|decode TOKENIZER_JSON    a JSON line in (text | ids), a JSON line out (ids | text)
#include <iostream>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "runtime/text/detokenizer.hpp"
#include "runtime/text/tokenizer.hpp"
#include "runtime/text/tokenizer_json.hpp"

namespace {

using namespace gpuinfer;

text::Tokenizer load_tokenizer(const std::string& path) {
  return text::Tokenizer(text::parse_tokenizer_json(read_file(path), path));
}

/// {"text": ..., "special": bool} to ids.
Json encode(const text::Tokenizer& tokenizer, const Json& line) {
  const auto origin = line.value("special", false) ? text::Origin::kTemplate : text::Origin::kUser;
  return tokenizer.encode(line.at("text").get_ref<const std::string&>(), origin);
}

int run(const std::string& mode, const std::string& file) {
  const text::Tokenizer tokenizer = load_tokenizer(file);
  for (std::string line; std::getline(std::cin, line);) {
    const Json input = Json::parse(line);
    const Json output = mode == "encode"
                            ? encode(tokenizer, input)
                            : Json(tokenizer.decode(input.get<std::vector<TokenId>>(), text::SpecialTokens::kKeep));
    std::cout << output.dump() << '\n';
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    return run(argv[1], argv[2]);
  } catch (const gpuinfer::Error& error) {
    std::cerr << "error: " << error.what() << '\n' << error.remedy() << '\n';
    return 1;
  }
}

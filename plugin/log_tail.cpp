// Reads log files from their end.
#include "plugin/log_tail.hpp"

#include <chrono>
#include <fstream>
#include <thread>

#include "base/error.hpp"
#include "base/file.hpp"

namespace gpuinfer::plugin {

std::string last_lines(const std::filesystem::path& file, int count) {
  std::string text;
  try {
    text = read_file(file);
  } catch (const Error&) {
    return "";
  }
  if (count <= 0) return "";
  std::size_t start = text.size() - (text.ends_with('\n') ? 1 : 0);
  for (; start > 0; --start) {
    if (text[start - 1] == '\n' && --count == 0) break;
  }
  return text.substr(start);
}

void follow_file(const std::filesystem::path& file, std::uintmax_t offset, std::ostream& out,
                 const std::function<bool()>& keep_going) {
  constexpr auto kInterval = std::chrono::milliseconds(200);
  std::ifstream stream(file, std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(offset));
  bool last_round = false;
  while (true) {
    char piece[4096];
    while (stream.read(piece, sizeof piece), stream.gcount() > 0) out.write(piece, stream.gcount());
    out.flush();
    stream.clear();
    // Once the writer is gone, one more round takes what it wrote last.
    if (last_round || !out) return;
    last_round = !keep_going();
    if (!last_round) std::this_thread::sleep_for(kInterval);
  }
}

}  // namespace gpuinfer::plugin

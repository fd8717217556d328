#include "tests/webhook/scratch.hpp"

#include "base/file.hpp"

namespace gpuinfer::webhook {

void mount_secret(const std::filesystem::path& folder, const kube::KeyedCertificate& pair) {
  namespace fs = std::filesystem;
  static int version = 0;
  const fs::path data = "..version" + std::to_string(++version);
  write_file(folder / data / "tls.crt", pair.certificate);
  write_file(folder / data / "tls.key", pair.key);
  fs::create_directory_symlink(data, folder / "..data_tmp");
  fs::rename(folder / "..data_tmp", folder / "..data");
  for (const char* file : {"tls.crt", "tls.key"}) {
    if (!fs::is_symlink(folder / file)) fs::create_symlink(fs::path("..data") / file, folder / file);
  }
}

ServerOptions scratch_options() {
  ServerOptions options;
  options.port = 0;
  options.metrics_port = 0;
  options.workers = 4;
  options.drain_notice = std::chrono::milliseconds(0);
  options.reload_interval = std::chrono::milliseconds(20);
  return options;
}

}  // namespace gpuinfer::webhook

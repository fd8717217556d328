// Whether two threads of a launch access the same memory, one of them to write it, with nothing between that orders
// them: what a GPU may do in either order, while the fibers of this harness happened to do it in the right one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

namespace gpuinfer::simt {

class Races {
 public:
  /// One access by a thread; what it stands behind is how many barriers the thread had passed.
  struct Access {
    std::uint32_t block = 0;  ///< counted over all launches, from 1; 0: there was none
    std::uint16_t thread = 0;
    bool atomic = false;
    std::uint32_t block_barriers = 0;
    std::uint32_t warp_barriers = 0;
  };

  static Races& all();

  /// Memory that is watched from now on: pages of the host's that hold nothing else. That of a block is another one in
  /// the next block.
  void watch(const void* begin, std::size_t bytes, bool of_block);
  void forget(const void* begin);

  void begin_launch() { first_block_ = block_ + 1; }
  void begin_block() {
    ++block_;
    ordered_behind_others_ = false;
  }
  /// The running block has synchronised with the blocks of the launch that ran before it.
  void order_behind_other_blocks() { ordered_behind_others_ = true; }

  /// What is wrong with it. The access says all but its block.
  std::optional<std::string> check(const void* address, std::size_t bytes, bool is_write, Access access);

 private:
  /// The last write, and of the reads behind it two that are not ordered, of different warps if there are such.
  struct Granule {
    Access write;
    std::array<Access, 2> reads;
  };
  /// What a thread can write without touching its neighbours': a bfloat16.
  static constexpr std::uintptr_t kGranuleBytes = 2;
  static constexpr std::uintptr_t kPageBytes = 4096;

  struct Page {
    bool of_block;
    std::array<Granule, kPageBytes / kGranuleBytes> granules;
  };
  struct Region {
    std::uintptr_t last_page;
    bool of_block;
  };
  struct Cached {
    std::uintptr_t page = 0;
    Page* found = nullptr;  ///< null: not watched
  };

  Page* page_of(std::uintptr_t address);
  bool is_race(const Access& before, const Access& now, const Page& page) const;
  static bool is_same_warp(const Access& a, const Access& b);
  void note_read(Granule& granule, const Access& read, const Page& page) const;
  static std::string text(const char* does, const Access& before, const char* did, const Access& now);

  std::map<std::uintptr_t, Region> regions_;  ///< by their first page
  std::unordered_map<std::uintptr_t, std::unique_ptr<Page>> pages_;
  std::array<Cached, 1024> cache_;
  std::uint32_t first_block_ = 1;  ///< of the launch
  std::uint32_t block_ = 0;        ///< that runs
  bool ordered_behind_others_ = false;
};

}  // namespace gpuinfer::simt

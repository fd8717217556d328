#include "simt/races.hpp"

#include <algorithm>

#include "runtime/backend/cuda/ptx/host_twin.hpp"
#include "simt/accesses.hpp"

namespace gpuinfer::simt {

Races& Races::all() {
  static Races one;
  return one;
}

void Races::watch(const void* begin, std::size_t bytes, bool of_block) {
  if (bytes == 0) return;
  first_memory = std::min(first_memory, begin);
  const auto first = reinterpret_cast<std::uintptr_t>(begin);
  regions_[first / kPageBytes] = {.last_page = (first + bytes - 1) / kPageBytes, .of_block = of_block};
  cache_ = {};
}

void Races::forget(const void* begin) {
  const auto region = regions_.find(reinterpret_cast<std::uintptr_t>(begin) / kPageBytes);
  if (region == regions_.end()) return;
  for (std::uintptr_t page = region->first; page <= region->second.last_page; ++page) pages_.erase(page);
  regions_.erase(region);
  cache_ = {};
}

Races::Page* Races::page_of(std::uintptr_t address) {
  const std::uintptr_t number = address / kPageBytes;
  Cached& cached = cache_[number % cache_.size()];
  if (cached.page == number) return cached.found;
  cached = {.page = number, .found = nullptr};
  auto region = regions_.upper_bound(number);
  if (region == regions_.begin() || (--region)->second.last_page < number) return nullptr;
  std::unique_ptr<Page>& page = pages_[number];
  if (!page) page = std::make_unique<Page>(Page{.of_block = region->second.of_block, .granules = {}});
  return cached.found = page.get();
}

bool Races::is_same_warp(const Access& a, const Access& b) { return a.thread / kLanes == b.thread / kLanes; }

bool Races::is_race(const Access& before, const Access& now, const Page& page) const {
  if (before.block < first_block_) return false;
  if (before.atomic && now.atomic) return false;
  if (before.block != now.block) return !page.of_block && !ordered_behind_others_;
  if (before.thread == now.thread || before.block_barriers < now.block_barriers) return false;
  return !is_same_warp(before, now) || before.warp_barriers >= now.warp_barriers;
}

void Races::note_read(Granule& granule, const Access& read, const Page& page) const {
  for (Access& other : granule.reads) {
    if (other.thread == read.thread || !is_race(other, read, page)) {
      other = read;
      return;
    }
  }
  if (is_same_warp(granule.reads[0], granule.reads[1])) granule.reads[1] = read;
}

std::string Races::text(const char* does, const Access& before, const char* did, const Access& now) {
  if (before.block != now.block) return std::string(does) + " what another block of the launch " + did;
  return std::string(does) + " what thread " + std::to_string(before.thread) + " " + did +
         ", and no barrier lies between";
}

std::optional<std::string> Races::check(const void* address, std::size_t bytes, bool is_write, Access access) {
  access.block = block_;
  const auto begin = reinterpret_cast<std::uintptr_t>(address);
  Page* page = nullptr;
  for (std::uintptr_t at = begin / kGranuleBytes; at <= (begin + bytes - 1) / kGranuleBytes; ++at) {
    if (page == nullptr || at % page->granules.size() == 0) page = page_of(at * kGranuleBytes);
    if (page == nullptr) return std::nullopt;
    Granule& granule = page->granules[at % page->granules.size()];
    if (is_race(granule.write, access, *page)) {
      return text(is_write ? "writes" : "reads", granule.write, "wrote", access);
    }
    if (!is_write) {
      note_read(granule, access, *page);
      continue;
    }
    for (const Access& read : granule.reads) {
      if (is_race(read, access, *page)) return text("writes", read, "read", access);
    }
    granule = {.write = access, .reads = {}};
  }
  return std::nullopt;
}

}  // namespace gpuinfer::simt

// What memory.sv and host.sv keep in files that Python maps too (little-endian machines only).
//
// The memory file is the DRAM, byte for byte from its base address on. The host file is made of
// 64-bit words, in three parts; its layout is written down once more, for Python, in rtl_gen/sim/files.py.

#include <fcntl.h>
#include <svdpi.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

// host file, in words
constexpr uint64_t kResults = 0;      // number of results
constexpr uint64_t kCycles = 1;       // progress: cycles of this job
constexpr uint64_t kPosition = 2;     // progress: entry of the script
constexpr uint64_t kMaxWindows = 512;
constexpr uint64_t kActivity = 9;     // words of what engines did
constexpr uint64_t kScript = 4096;    // entries; results and activity are the other thirds

// Where windows stand, and what is noted of bytes outside them.
struct Windows {
    uint64_t strays;       // bytes moved outside all windows
    uint64_t first_stray;  // address of the first of them
    uint64_t count;        // number of windows; 0: all memory
    uint64_t bounds;       // first address and last, of each window
    uint64_t recent;       // the window of the last byte: bursts stay in one
};
Windows may_write{3, 4, 5, 16, 0};
Windows may_read{6, 7, 8, 16 + 2 * kMaxWindows, 0};

struct Mapped {
    uint8_t* bytes = nullptr;
    uint64_t size = 0;

    void open(const char* path) {
        const int file = ::open(path, O_RDWR);
        struct stat status;
        if (file < 0 || ::fstat(file, &status) != 0) fail(path);
        size = static_cast<uint64_t>(status.st_size);
        void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (at == MAP_FAILED) fail(path);
        ::close(file);
        bytes = static_cast<uint8_t*>(at);
    }

    static void fail(const char* path) {
        std::fprintf(stderr, "cannot map %s: %s\n", path, std::strerror(errno));
        std::exit(2);
    }
};

Mapped memory;
uint64_t memory_base = 0;
Mapped host;

uint64_t part() { return host.size / 24; }

uint64_t* word(uint64_t index) { return reinterpret_cast<uint64_t*>(host.bytes) + index; }

bool in_window(Windows& windows, uint64_t address) {
    const uint64_t count = *word(windows.count);
    if (count == 0) return true;
    for (uint64_t tried = 0; tried < count; ++tried) {
        const uint64_t window = (windows.recent + tried) % count;
        const uint64_t* const bounds = word(windows.bounds + 2 * window);
        if (address >= bounds[0] && address <= bounds[1]) {
            windows.recent = window;
            return true;
        }
    }
    return false;
}

bool inside(uint64_t address) {
    return address >= memory_base && address - memory_base < memory.size;
}

// Count those of eight bytes that move although they lie outside the windows, or the memory.
void note_strays(Windows& windows, uint64_t at, uint8_t enable) {
    for (unsigned byte = 0; byte < 8; ++byte) {
        if ((enable >> byte & 1) == 0) continue;
        if (in_window(windows, at + byte) && inside(at + byte)) continue;
        if ((*word(windows.strays))++ == 0) *word(windows.first_stray) = at + byte;
    }
}

}  // namespace

extern "C" {

void storage_open(const char* path, long long base) {
    memory_base = static_cast<uint64_t>(base);
    if (!memory.bytes) memory.open(path);
}

unsigned char storage_holds(long long address) {
    return inside(static_cast<uint64_t>(address));
}

long long storage_read(long long address) {
    const uint64_t at = static_cast<uint64_t>(address);
    if (*word(may_read.count) != 0) note_strays(may_read, at, 0xff);
    if (!inside(at)) return 0;
    long long data;
    std::memcpy(&data, memory.bytes + (at - memory_base), sizeof data);
    return data;
}

void storage_write(long long address, long long data, char strobe) {
    const uint64_t at = static_cast<uint64_t>(address);
    const uint8_t enable = static_cast<uint8_t>(strobe);
    if (enable == 0) return;
    note_strays(may_write, at, enable);
    if (!inside(at)) return;
    uint8_t* const to = memory.bytes + (at - memory_base);
    if (enable == 0xff) {
        std::memcpy(to, &data, sizeof data);
        return;
    }
    for (unsigned byte = 0; byte < 8; ++byte)
        if (enable >> byte & 1) to[byte] = static_cast<uint8_t>(data >> (8 * byte));
}

void host_open(const char* path) { host.open(path); }

void host_begin() {
    *word(kResults) = 0;
    *word(kActivity) = 0;
    *word(may_write.strays) = 0;
    *word(may_read.strays) = 0;
}

long long host_entry(int position) {
    const uint64_t index = kScript + static_cast<uint32_t>(position);
    return index < part() ? static_cast<long long>(*word(index)) : 0;
}

void host_result(long long value) {
    const uint64_t index = part() + *word(kResults);
    if (index >= 2 * part()) return;
    *word(index) = static_cast<uint64_t>(value);
    ++*word(kResults);
}

// What engines did: a note is a cycle and their counts, two in a word; what finds no room is lost.
void activity_note(long long cycle, const svBitVecVal* engines) {
    constexpr uint64_t kWords = 25;
    const uint64_t used = *word(kActivity);
    if (used + 1 + kWords > part()) return;
    uint64_t* const to = word(2 * part() + used);
    to[0] = static_cast<uint64_t>(cycle);
    std::memcpy(to + 1, engines, kWords * sizeof(uint64_t));
    *word(kActivity) = used + 1 + kWords;
}

void host_progress(long long cycles, int position) {
    *word(kCycles) = static_cast<uint64_t>(cycles);
    *word(kPosition) = static_cast<uint32_t>(position);
}

}  // extern "C"

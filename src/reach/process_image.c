/* The memory of another process. See process_image.h. */
#define _GNU_SOURCE
#include "reach/process_image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "reach/maps.h"
#include "reach/stopped.h"
#include "vm/objects.h"

/* What `present` says of a chunk besides SEEP_CHUNK_PRESENT. */
enum { CHUNK_ABSENT = 0, CHUNK_WANTED = 2 };

/* Mappings that lie as near as this are in one window, and a window has as much room to grow. */
static const uintptr_t window_slack = 4ULL << 30;

static struct seep_process_image *own(struct seep_image *image) { return (struct seep_process_image *)image; }

/* -- Windows -------------------------------------------------------------------------- */

static struct seep_window *window_of(struct seep_process_image *image, uintptr_t address) {
  for (uint32_t i = 0; i < image->window_count; i++) {
    if (address >= image->windows[i].begin && address < image->windows[i].end) return &image->windows[i];
  }
  return NULL;
}

static uint8_t *chunk_state(const struct seep_window *window, uintptr_t address) {
  return &window->present[address / SEEP_CHUNK_BYTES - window->begin / SEEP_CHUNK_BYTES];
}

static void set_chunk_state(struct seep_window *window, uintptr_t address, uint8_t state) {
  size_t chunk = address / SEEP_CHUNK_BYTES - window->begin / SEEP_CHUNK_BYTES;
  window->present[chunk] = state;
  if (window->low == window->high) window->low = window->high = chunk;
  if (chunk < window->low) window->low = chunk;
  if (chunk >= window->high) window->high = chunk + 1;
}

static void *reserve(size_t size_bytes) {
  void *pages = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return pages == MAP_FAILED ? NULL : pages;
}

static bool add_window(struct seep_process_image *image, uintptr_t begin, uintptr_t end) {
  if (image->window_count == SEEP_WINDOWS_MAX) return false;
  struct seep_window *window = &image->windows[image->window_count];
  size_t chunks = (end - begin) / SEEP_CHUNK_BYTES;
  *window = (struct seep_window){.begin = begin, .end = end, .bytes = reserve(end - begin), .present = reserve(chunks)};
  if (window->bytes != NULL && window->present != NULL) {
    madvise(window->bytes, end - begin, MADV_NOHUGEPAGE); /* chunks are touched here and there */
    image->window_count++;
    return true;
  }
  if (window->bytes != NULL) munmap(window->bytes, end - begin);
  if (window->present != NULL) munmap(window->present, chunks);
  return false;
}

static uintptr_t round_down(uintptr_t address) { return address / SEEP_CHUNK_BYTES * SEEP_CHUNK_BYTES; }

/* Windows over the mappings, in order of address; each begins and ends at a chunk. Without room for the slack there is
 * a window for what is there. */
static bool open_windows(struct seep_process_image *image) {
  const struct seep_segment *segments = image->segments.items;
  size_t at = 0;
  while (at < image->segments.count) {
    uintptr_t begin = segments[at].begin, end = segments[at].end;
    while (++at < image->segments.count && segments[at].begin - end < 2 * window_slack) end = segments[at].end;
    uintptr_t low = begin > window_slack ? begin - window_slack : 0;
    if (image->window_count > 0 && low < image->windows[image->window_count - 1].end) {
      low = image->windows[image->window_count - 1].end;
    }
    uintptr_t high = end + window_slack;
    if (add_window(image, round_down(low), seep_round_up(high, SEEP_CHUNK_BYTES))) continue;
    if (!add_window(image, round_down(begin), seep_round_up(end, SEEP_CHUNK_BYTES))) return false;
  }
  return true;
}

/* -- Segments ------------------------------------------------------------------------- */

/* What the kernel maps for itself, and devices, are not memory; what is not readable is known, but not there. */
static bool is_memory(const struct seep_mapping *mapping) {
  return mapping->readable && strncmp(mapping->path, "[v", 2) != 0 && strncmp(mapping->path, "/dev/", 5) != 0;
}

static bool add_segment(struct seep_process_image *image, const struct seep_mapping *mapping) {
  struct seep_segment *segment = seep_array_push(&image->segments, sizeof *segment);
  if (segment == NULL) return false;
  *segment = (struct seep_segment){
      .begin = mapping->begin, .end = mapping->end,
      .access = (uint8_t)((mapping->writable ? SEEP_SEGMENT_WRITABLE : 0) |
                          (mapping->executable ? SEEP_SEGMENT_EXECUTABLE : 0))};
  if (is_memory(mapping)) segment->bytes = (const char *)1; /* placed by place_segments */
  return true;
}

/* Neighbours that differ in nothing become one: an object may lie across them. */
static void merge_segments(struct seep_array *array) {
  struct seep_segment *segments = array->items;
  size_t kept = 0;
  for (size_t i = 1; i < array->count; i++) {
    struct seep_segment *last = &segments[kept];
    if (last->end == segments[i].begin && last->access == segments[i].access && last->bytes == segments[i].bytes) {
      last->end = segments[i].end;
    } else {
      segments[++kept] = segments[i];
    }
  }
  if (array->count > 0) array->count = kept + 1;
}

/* For what has been mapped far away from everything that was there at first. */
static struct seep_window *add_window_for(struct seep_process_image *image, const struct seep_segment *segment) {
  uintptr_t begin = round_down(segment->begin), end = seep_round_up(segment->end, SEEP_CHUNK_BYTES);
  for (uint32_t i = 0; i < image->window_count; i++) {
    if (begin < image->windows[i].end && image->windows[i].begin < end) return NULL;
  }
  return add_window(image, begin, end) ? &image->windows[image->window_count - 1] : NULL;
}

static void place_segments(struct seep_process_image *image) {
  struct seep_segment *segments = image->segments.items;
  for (size_t i = 0; i < image->segments.count; i++) {
    struct seep_window *window = window_of(image, segments[i].begin);
    if (segments[i].bytes == NULL) continue;
    if (window == NULL) window = add_window_for(image, &segments[i]);
    if (window == NULL || segments[i].end > window->end) {
      segments[i].bytes = NULL;
      continue;
    }
    segments[i].bytes = window->bytes + (segments[i].begin - window->begin);
    segments[i].present = chunk_state(window, segments[i].begin);
  }
  image->image.segments = segments;
  image->image.segment_count = (uint32_t)image->segments.count;
  image->image.last = NULL;
}

static enum seep_status read_maps(struct seep_process_image *image, struct seep_error *error) {
  struct seep_maps maps;
  struct seep_mapping mapping;
  if (seep_maps_open(&maps, image->pid) != 0) return seep_explain_refusal(image->pid, errno, error);
  image->segments.count = 0;
  bool complete = true;
  while (complete && seep_maps_next(&maps, &mapping)) complete = add_segment(image, &mapping);
  seep_maps_close(&maps);
  merge_segments(&image->segments);
  if (!complete)
    return seep_error_set(error, SEEP_E_MEMORY, "no memory to list what process %d has mapped", (int)image->pid);
  if (image->segments.count == 0) {
    return seep_error_set(error, SEEP_E_NOT_FOUND, "process %d has no memory: it has ended, or is the kernel's own",
                          (int)image->pid);
  }
  return SEEP_OK;
}

/* -- Copying -------------------------------------------------------------------------- */

enum { PIECES_MAX = 512 };

/* Pieces of memory to be copied with one system call. */
struct batch {
  struct seep_process_image *image;
  struct iovec local[PIECES_MAX], remote[PIECES_MAX];
  int count;
  int failure;   /* errno of a call that copied nothing, other than for what has been unmapped */
};

/* Copies what is in the batch. A page that is not there (any more) ends the call: the piece that has it is copied as
 * far as it goes, and the rest goes on. */
static void copy_batch(struct batch *batch) {
  int at = 0;
  while (at < batch->count) {
    ssize_t got = process_vm_readv(batch->image->pid, batch->local + at, (unsigned long)(batch->count - at),
                                   batch->remote + at, (unsigned long)(batch->count - at), 0);
    if (got < 0) {
      if (errno != EFAULT) batch->failure = errno;
      if (errno == ESRCH) batch->image->has_gone = true;
      got = 0;
    }
    batch->image->copied_bytes += (uint64_t)got;
    while (at < batch->count && (size_t)got >= batch->remote[at].iov_len) got -= (ssize_t)batch->remote[at++].iov_len;
    at++; /* the piece that it ended in */
  }
  batch->count = 0;
}

static void add_piece(struct batch *batch, struct seep_window *window, uintptr_t begin, uintptr_t end) {
  struct iovec *last = batch->count > 0 ? &batch->remote[batch->count - 1] : NULL;
  if (last != NULL && (uintptr_t)last->iov_base + last->iov_len == begin) {
    last->iov_len += end - begin;
    batch->local[batch->count - 1].iov_len += end - begin;
    return;
  }
  if (batch->count == PIECES_MAX) copy_batch(batch);
  batch->remote[batch->count] = (struct iovec){.iov_base = (void *)begin, .iov_len = end - begin};
  batch->local[batch->count] =
      (struct iovec){.iov_base = window->bytes + (begin - window->begin), .iov_len = end - begin};
  batch->count++;
}

/* Adds the parts of a chunk that are mapped; segments[*at] is where to look first. */
static void add_chunk(struct batch *batch, struct seep_window *window, uintptr_t chunk, size_t *at) {
  const struct seep_segment *segments = batch->image->segments.items;
  size_t count = batch->image->segments.count;
  while (*at < count && segments[*at].end <= chunk) (*at)++;
  for (size_t i = *at; i < count && segments[i].begin < chunk + SEEP_CHUNK_BYTES; i++) {
    uintptr_t begin = segments[i].begin > chunk ? segments[i].begin : chunk;
    uintptr_t end = segments[i].end < chunk + SEEP_CHUNK_BYTES ? segments[i].end : chunk + SEEP_CHUNK_BYTES;
    if (segments[i].bytes != NULL) add_piece(batch, window, begin, end);
  }
}

static size_t segment_behind(const struct seep_process_image *image, uintptr_t address) {
  const struct seep_segment *segments = image->segments.items;
  size_t low = 0, high = image->segments.count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (segments[middle].end <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* seep_image.fetch: while the process runs, copies what is asked for; afterwards notes it. */
static const void *fetch(struct seep_image *base, const struct seep_segment *segment, uintptr_t address,
                         size_t size_bytes) {
  struct seep_process_image *image = own(base);
  struct seep_window *window = segment->bytes == NULL ? NULL : window_of(image, address);
  struct batch batch;
  if (window == NULL || size_bytes == 0) return NULL;
  batch.image = image;
  batch.count = 0;
  size_t at = segment_behind(image, round_down(address));
  for (uintptr_t chunk = round_down(address); chunk < address + size_bytes; chunk += SEEP_CHUNK_BYTES) {
    uint8_t state = *chunk_state(window, chunk);
    if (state == SEEP_CHUNK_PRESENT) continue;
    if (!image->frozen) add_chunk(&batch, window, chunk, &at);
    if (image->frozen) image->wanted_chunks += state != CHUNK_WANTED;
    set_chunk_state(window, chunk, image->frozen ? CHUNK_WANTED : SEEP_CHUNK_PRESENT);
  }
  if (image->frozen) return NULL;
  copy_batch(&batch);
  image->image.last = segment;
  return segment->bytes + (address - segment->begin);
}

/* seep_image.release: what was asked for stays asked for. */
static void release(struct seep_image *base) {
  struct seep_process_image *image = own(base);
  for (uint32_t i = 0; i < image->window_count; i++) {
    struct seep_window *window = &image->windows[i];
    madvise(window->bytes + window->low * SEEP_CHUNK_BYTES, (window->high - window->low) * SEEP_CHUNK_BYTES,
            MADV_DONTNEED);
    for (size_t c = window->low; c < window->high; c++) {
      if (window->present[c] == SEEP_CHUNK_PRESENT) window->present[c] = CHUNK_WANTED;
    }
  }
}

/* -- Opening -------------------------------------------------------------------------- */

static enum seep_status try_reading(struct seep_process_image *image, struct seep_error *error) {
  const struct seep_segment *segments = image->segments.items;
  for (size_t i = 0; i < image->segments.count; i++) {
    char byte;
    struct iovec local = {.iov_base = &byte, .iov_len = 1};
    struct iovec remote = {.iov_base = (void *)segments[i].begin, .iov_len = 1};
    if (segments[i].bytes == NULL) continue;
    if (process_vm_readv(image->pid, &local, 1, &remote, 1, 0) == 1) return SEEP_OK;
    if (errno != EFAULT && errno != EIO) break;
  }
  return seep_explain_refusal(image->pid, errno, error);
}

enum seep_status seep_process_image_open(pid_t pid, struct seep_process_image *image, struct seep_error *error) {
  *image = (struct seep_process_image){
      .image = {.read = seep_image_read_segments, .fetch = fetch, .release = release}, .pid = pid};
  enum seep_status status = read_maps(image, error);
  if (status == SEEP_OK && !open_windows(image)) {
    status = seep_error_set(error, SEEP_E_MEMORY, "no room for an image of process %d", (int)pid);
  }
  if (status == SEEP_OK) {
    place_segments(image);
    status = try_reading(image, error);
  }
  if (status != SEEP_OK) seep_process_image_close(image);
  return status;
}

void seep_process_image_close(struct seep_process_image *image) {
  for (uint32_t i = 0; i < image->window_count; i++) {
    struct seep_window *window = &image->windows[i];
    munmap(window->bytes, window->end - window->begin);
    munmap(window->present, (window->end - window->begin) / SEEP_CHUNK_BYTES);
  }
  image->window_count = 0;
  seep_array_free(&image->segments);
}

/* -- Freezing ------------------------------------------------------------------------- */

/* A segment is copied whole if it is small, or if at least a quarter of it was asked for: then what is new lies
 * anywhere in it. Of others what was asked for is copied, and what lies next to that. */
enum { WHOLE_MAX_BYTES = 16 << 20, WHOLE_FROM_PART = 4, NEIGHBOURS = 2 };

static bool was_asked_for(uint8_t state) { return state == SEEP_CHUNK_PRESENT || state == CHUNK_WANTED; }

/* Marks as wanted what lies next to what was asked for: new objects come to lie there. */
static void widen_segment(struct seep_window *window, const struct seep_segment *segment, bool whole) {
  enum { CHUNK_NEXT_TO_IT = 3 };
  uint8_t *states = chunk_state(window, segment->begin);
  size_t count = seep_chunk_index(segment, segment->end - 1) + 1, asked = 0;
  for (size_t c = 0; c < count; c++) asked += was_asked_for(states[c]);
  if (asked == 0) return;
  whole |= asked * WHOLE_FROM_PART >= count;
  for (size_t c = 0; c < count; c++) {
    if (!was_asked_for(states[c])) continue;
    size_t from = whole || c < NEIGHBOURS ? 0 : c - NEIGHBOURS;
    size_t to = whole || c + NEIGHBOURS >= count ? count - 1 : c + NEIGHBOURS;
    for (size_t n = from; n <= to; n++) {
      if (states[n] == CHUNK_ABSENT) states[n] = CHUNK_NEXT_TO_IT;
    }
    if (whole) break;
  }
  for (size_t c = 0; c < count; c++) {
    if (states[c] == CHUNK_NEXT_TO_IT) set_chunk_state(window, segment->begin + c * SEEP_CHUNK_BYTES, CHUNK_WANTED);
  }
}

static void widen(struct seep_process_image *image, bool all) {
  struct seep_segment *segments = image->segments.items;
  for (size_t i = 0; i < image->segments.count; i++) {
    struct seep_window *window = window_of(image, segments[i].begin);
    if (segments[i].bytes == NULL || window == NULL || (segments[i].access & SEEP_SEGMENT_WRITABLE) == 0) continue;
    widen_segment(window, &segments[i], all || segments[i].end - segments[i].begin <= WHOLE_MAX_BYTES);
  }
}

typedef void chunk_visit(void *context, struct seep_window *window, uintptr_t chunk, uint8_t *state);

static void visit_asked(struct seep_process_image *image, chunk_visit *visit, void *context) {
  for (uint32_t i = 0; i < image->window_count; i++) {
    struct seep_window *window = &image->windows[i];
    for (size_t c = window->low; c < window->high; c++) {
      if (was_asked_for(window->present[c]))
        visit(context, window, window->begin + c * SEEP_CHUNK_BYTES, &window->present[c]);
    }
  }
}

/* Touches our side of a chunk: first writes to fresh pages would cost as much again while the process stands. */
static void populate(void *context, struct seep_window *window, uintptr_t chunk, uint8_t *state) {
  (void)context;
  if (*state != CHUNK_WANTED) return;
  volatile char *bytes = window->bytes + (chunk - window->begin);
  for (size_t at = 0; at < SEEP_CHUNK_BYTES; at += SEEP_PAGE_BYTES) bytes[at] = 0;
}

struct copying {
  struct batch batch;
  size_t segment;
};

static void copy_asked(void *context, struct seep_window *window, uintptr_t chunk, uint8_t *state) {
  struct copying *copying = context;
  struct seep_process_image *image = copying->batch.image;
  const struct seep_segment *segments = image->segments.items;
  if (copying->segment >= image->segments.count || segments[copying->segment].begin > chunk) {
    copying->segment = segment_behind(image, chunk); /* another window */
  }
  add_chunk(&copying->batch, window, chunk, &copying->segment);
  *state = SEEP_CHUNK_PRESENT;
}

static enum seep_status refresh_maps(struct seep_process_image *image, bool all, struct seep_error *error) {
  enum seep_status status = read_maps(image, error);
  if (status != SEEP_OK) return status;
  place_segments(image);
  widen(image, all);
  return SEEP_OK;
}

/* The copy itself, while the process stands. */
static enum seep_status copy_all(struct seep_process_image *image, bool all, struct seep_error *error) {
  struct copying copying;
  enum seep_status status = refresh_maps(image, all, error);
  if (status != SEEP_OK) return status;
  copying.batch.image = image;
  copying.batch.count = copying.batch.failure = 0;
  copying.segment = 0;
  image->copied_bytes = 0;
  visit_asked(image, copy_asked, &copying);
  copy_batch(&copying.batch);
  if (copying.batch.failure == 0 || image->copied_bytes > 0) return SEEP_OK;
  return seep_explain_refusal(image->pid, copying.batch.failure, error);
}

enum seep_status seep_process_image_freeze(struct seep_process_image *image, bool all, struct seep_error *error) {
  struct seep_stopped stopped;
  enum seep_status status = refresh_maps(image, all, error);
  if (status != SEEP_OK) return status;
  visit_asked(image, populate, NULL);
  status = seep_stop(image->pid, &stopped, error);
  if (status != SEEP_OK) return status;
  status = copy_all(image, all, error);
  image->pause_ns += seep_resume(&stopped);
  image->frozen = true;
  image->wanted_chunks = 0;
  return status;
}

enum seep_status seep_process_image_thaw(struct seep_process_image *image, bool forget, struct seep_error *error) {
  for (uint32_t i = 0; forget && i < image->window_count; i++) {
    struct seep_window *window = &image->windows[i];
    memset(window->present + window->low, CHUNK_ABSENT, window->high - window->low);
    window->low = window->high = 0;
  }
  image->frozen = false;
  enum seep_status status = read_maps(image, error);
  if (status == SEEP_OK) place_segments(image);
  return status;
}

/* -- Searching ------------------------------------------------------------------------ */

enum { BLOCK_BYTES = 1 << 20, PAGES_PER_BLOCK = BLOCK_BYTES / 4096 };

/* Whether any page of a block is there: huge reservations are mostly not. /proc/PID/pagemap has 8 bytes a page, of
 * which the two highest bits say that it is in memory or swapped out. */
static bool block_is_used(int pagemap, uintptr_t begin, size_t size_bytes) {
  uint64_t pages[PAGES_PER_BLOCK];
  const uint64_t used = 3ULL << 62;
  if (pagemap < 0) return true;
  ssize_t got = pread(pagemap, pages, size_bytes / SEEP_PAGE_BYTES * sizeof pages[0],
                      (off_t)(begin / SEEP_PAGE_BYTES * sizeof pages[0]));
  if (got <= 0) return true;
  for (size_t i = 0; i < (size_t)got / sizeof pages[0]; i++) {
    if (pages[i] & used) return true;
  }
  return false;
}

/* Documentation/admin-guide/mm/pagemap.rst: PAGEMAP_SCAN, since Linux 6.7; the headers of older systems lack it. */
struct scan_request {
  uint64_t size, flags, start, end, walk_end, regions, region_count, pages_max;
  uint64_t inverted, mask, any_of, returned;
};
struct scan_region {
  uint64_t start, end, categories;
};
#define SCAN_PAGEMAP _IOWR('f', 16, struct scan_request)

/* Where the next page is that is in memory or swapped out; `end` if there is none, `at` if the kernel does not say. An
 * address sanitizer's terabytes are passed over in one call. */
static uintptr_t skip_unused(int pagemap, uintptr_t at, uintptr_t end) {
  const uint64_t present_or_swapped = 3ULL << 3;
  struct scan_region found = {0};
  struct scan_request request = {.size = sizeof request, .start = at, .end = end, .regions = (uintptr_t)&found,
                                 .region_count = 1, .pages_max = 1, .any_of = present_or_swapped,
                                 .returned = present_or_swapped};
  int count = pagemap < 0 ? -1 : ioctl(pagemap, SCAN_PAGEMAP, &request);
  if (count < 0) return at;
  return count == 0 ? end : (uintptr_t)found.start;
}

/* False when there is no room for another one. */
static bool search_block(struct seep_process_image *image, uintptr_t begin, size_t size_bytes, uintptr_t *words,
                         struct seep_array *candidates) {
  struct iovec local = {.iov_base = words, .iov_len = size_bytes};
  struct iovec remote = {.iov_base = (void *)begin, .iov_len = size_bytes};
  ssize_t got = process_vm_readv(image->pid, &local, 1, &remote, 1, 0);
  for (size_t i = 0; got > 0 && i < (size_t)got / sizeof words[0]; i++) {
    uintptr_t address = begin + i * sizeof words[0];
    if (SEEP_LIKELY(!seep_heap_is_candidate(address, &words[i], i))) continue;
    uintptr_t *candidate =
        candidates->count == SEEP_CANDIDATES_MAX ? NULL : seep_array_push(candidates, sizeof *candidate);
    if (candidate == NULL) return false;
    *candidate = address;
  }
  return true;
}

uint64_t seep_process_image_search(struct seep_process_image *image, struct seep_array *candidates) {
  char path[64];
  uint64_t searched = 0;
  uintptr_t *words = reserve(BLOCK_BYTES);
  if (words == NULL) return 0;
  snprintf(path, sizeof path, "/proc/%d/pagemap", (int)image->pid);
  int pagemap = open(path, O_RDONLY | O_CLOEXEC);
  bool goes_on = true;
  const struct seep_segment *segments = image->segments.items;
  for (size_t i = 0; goes_on && i < image->segments.count; i++) {
    if (segments[i].bytes == NULL || (segments[i].access & SEEP_SEGMENT_WRITABLE) == 0) continue;
    for (uintptr_t at = segments[i].begin; goes_on && at < segments[i].end; at += BLOCK_BYTES) {
      at = skip_unused(pagemap, at, segments[i].end);
      if (at >= segments[i].end) break;
      size_t size = segments[i].end - at < BLOCK_BYTES ? segments[i].end - at : BLOCK_BYTES;
      if (!block_is_used(pagemap, at, size)) continue;
      goes_on = search_block(image, at, size, words, candidates);
      searched += size;
    }
  }
  if (pagemap >= 0) close(pagemap);
  munmap(words, BLOCK_BYTES);
  return searched;
}

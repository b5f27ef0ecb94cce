/* A core file as an image. See core_image.h. */
#define _GNU_SOURCE
#include "reach/core_image.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vm/objects.h"

bool seep_core_image_is_core(const char *path) {
  Elf64_Ehdr header;
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return false;
  bool whole = read(file, &header, sizeof header) == (ssize_t)sizeof header;
  close(file);
  return whole && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_type == ET_CORE;
}

/* -- Segments ------------------------------------------------------------------------- */

static bool add_segment(struct seep_core_image *image, uintptr_t begin, uintptr_t end, const char *bytes,
                        uint32_t flags) {
  if (end <= begin) return true;
  struct seep_segment *segment = seep_array_push(&image->segments, sizeof *segment);
  if (segment == NULL) return false;
  *segment = (struct seep_segment){.begin = begin, .end = end, .bytes = bytes,
                                   .access = (uint8_t)((flags & PF_W ? SEEP_SEGMENT_WRITABLE : 0) |
                                                       (flags & PF_X ? SEEP_SEGMENT_EXECUTABLE : 0))};
  return true;
}

/* What a program header says is in the file is there as far as the file goes. */
static bool add_load(struct seep_core_image *image, const GElf_Phdr *header) {
  if (header->p_memsz == 0 || header->p_vaddr + header->p_memsz < header->p_vaddr) return true;
  uint64_t have = header->p_filesz < header->p_memsz ? header->p_filesz : header->p_memsz;
  uint64_t in_file = header->p_offset < image->file_bytes ? image->file_bytes - header->p_offset : 0;
  if (have > in_file) have = in_file;
  if (header->p_flags & PF_W) image->missing_bytes += header->p_memsz - have;
  uintptr_t begin = header->p_vaddr;
  return add_segment(image, begin, begin + have, image->file + header->p_offset, header->p_flags) &&
         add_segment(image, begin + have, begin + header->p_memsz, NULL, header->p_flags);
}

static int by_address(const void *left, const void *right) {
  uintptr_t a = ((const struct seep_segment *)left)->begin, b = ((const struct seep_segment *)right)->begin;
  return (a > b) - (a < b);
}

/* In order, without overlaps (a damaged core may have some: the first one stays), and neighbours that lie one behind
 * the other in the file, too, made one: an object may lie across them. */
static void arrange(struct seep_array *array) {
  struct seep_segment *segments = array->items;
  size_t kept = 0;
  if (array->count == 0) return;
  qsort(segments, array->count, sizeof *segments, by_address);
  for (size_t i = 1; i < array->count; i++) {
    struct seep_segment *last = &segments[kept];
    if (segments[i].begin < last->end) continue;
    bool goes_on = segments[i].bytes == NULL
                       ? last->bytes == NULL
                       : last->bytes != NULL && last->bytes + (last->end - last->begin) == segments[i].bytes;
    if (segments[i].begin == last->end && last->access == segments[i].access && goes_on) {
      last->end = segments[i].end;
    } else {
      segments[++kept] = segments[i];
    }
  }
  array->count = kept + 1;
}

/* -- Notes ---------------------------------------------------------------------------- */

static void read_process_note(struct seep_core_image *image, const void *bytes, size_t size_bytes) {
  struct elf_prpsinfo process;
  if (size_bytes < sizeof process) return;
  memcpy(&process, bytes, sizeof process);
  image->pid = process.pr_pid > 0 ? (uint32_t)process.pr_pid : 0;
  const char *text = process.pr_psargs[0] != '\0' ? process.pr_psargs : process.pr_fname;
  size_t room = text == process.pr_psargs ? sizeof process.pr_psargs : sizeof process.pr_fname;
  size_t length = strnlen(text, room);
  while (length > 0 && text[length - 1] == ' ') length--;
  memcpy(image->command, text, length);
  image->command[length] = '\0';
}

static void read_notes(struct seep_core_image *image, Elf *elf, const GElf_Phdr *header) {
  Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)header->p_offset, header->p_filesz, ELF_T_NHDR);
  size_t at = 0, name_at, text_at;
  GElf_Nhdr note;
  while (data != NULL && (at = gelf_getnote(data, at, &note, &name_at, &text_at)) > 0) {
    bool is_core = note.n_namesz >= 4 && memcmp((const char *)data->d_buf + name_at, "CORE", 4) == 0;
    if (is_core && note.n_type == NT_PRPSINFO)
      read_process_note(image, (const char *)data->d_buf + text_at, note.n_descsz);
  }
}

/* -- Opening -------------------------------------------------------------------------- */

static enum seep_status read_headers(const char *path, struct seep_core_image *image, Elf *elf,
                                     struct seep_error *error) {
  GElf_Ehdr header;
  size_t count;
  bool complete = true;
  if (elf_kind(elf) != ELF_K_ELF || gelf_getehdr(elf, &header) == NULL || header.e_type != ET_CORE) {
    return seep_error_set(error, SEEP_E_FORMAT, "%s: this is no core file", path);
  }
  if (gelf_getclass(elf) != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB) {
    return seep_error_set(error, SEEP_E_FORMAT,
                          "%s: a core of another kind of machine (only 64-bit little-endian ones are read)", path);
  }
  if (elf_getphdrnum(elf, &count) != 0) return seep_error_set(error, SEEP_E_FORMAT, "%s: %s", path, elf_errmsg(-1));
  for (size_t i = 0; i < count && complete; i++) {
    GElf_Phdr segment;
    if (gelf_getphdr(elf, (int)i, &segment) == NULL) continue;
    if (segment.p_type == PT_LOAD) complete = add_load(image, &segment);
    if (segment.p_type == PT_NOTE) read_notes(image, elf, &segment);
  }
  arrange(&image->segments);
  if (!complete) return seep_error_set(error, SEEP_E_MEMORY, "%s: no memory to list its segments", path);
  for (size_t i = 0; i < image->segments.count; i++) {
    if (((struct seep_segment *)image->segments.items)[i].bytes != NULL) return SEEP_OK;
  }
  return seep_error_set(error, SEEP_E_FORMAT, "%s: there is no memory in this core file (%zu segments without content)",
                        path, image->segments.count);
}

static enum seep_status map_file(const char *path, struct seep_core_image *image, struct seep_error *error) {
  struct stat facts;
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0 || fstat(file, &facts) != 0) {
    int saved = errno;
    if (file >= 0) close(file);
    return seep_error_set(error, SEEP_E_SYSTEM, "%s: %s", path, strerror(saved));
  }
  void *bytes = S_ISREG(facts.st_mode) && facts.st_size > 0
      ? mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
  close(file);
  if (bytes == MAP_FAILED) return seep_error_set(error, SEEP_E_FORMAT, "%s: this is no core file", path);
  image->file = bytes;
  image->file_bytes = (size_t)facts.st_size;
  return SEEP_OK;
}

enum seep_status seep_core_image_open(const char *path, struct seep_core_image *image, struct seep_error *error) {
  *image = (struct seep_core_image){.image = {.read = seep_image_read_segments}};
  enum seep_status status = map_file(path, image, error);
  if (status != SEEP_OK) return status;
  elf_version(EV_CURRENT);
  Elf *elf = elf_memory((char *)(uintptr_t)image->file, image->file_bytes);
  status = elf == NULL ? seep_error_set(error, SEEP_E_FORMAT, "%s: this is no core file", path)
                       : read_headers(path, image, elf, error);
  if (elf != NULL) elf_end(elf);
  image->image.segments = image->segments.items;
  image->image.segment_count = (uint32_t)image->segments.count;
  if (status != SEEP_OK) seep_core_image_close(image);
  return status;
}

void seep_core_image_close(struct seep_core_image *image) {
  if (image->file != NULL) munmap((void *)(uintptr_t)image->file, image->file_bytes);
  image->file = NULL;
  seep_array_free(&image->segments);
}

/* -- Searching ------------------------------------------------------------------------ */

/* Word by word, from copies: in a damaged file words need not be aligned. False when the visitor has enough. */
static bool search_segment(const struct seep_segment *segment, bool (*visit)(void *context, uintptr_t address),
                           void *context) {
  enum { BLOCK_WORDS = 8192 };
  uintptr_t words[BLOCK_WORDS];
  for (uintptr_t begin = seep_round_up(segment->begin, 8); begin + 8 <= segment->end; begin += sizeof words) {
    size_t count = segment->end - begin < sizeof words ? (segment->end - begin) / 8 : BLOCK_WORDS;
    memcpy(words, segment->bytes + (begin - segment->begin), count * 8);
    for (size_t i = 0; i < count; i++) {
      if (SEEP_UNLIKELY(seep_heap_is_candidate(begin + i * 8, &words[i], i)) && !visit(context, begin + i * 8))
        return false;
    }
  }
  return true;
}

uint64_t seep_core_image_search(struct seep_core_image *image, bool (*visit)(void *context, uintptr_t address),
                                void *context) {
  const struct seep_segment *segments = image->segments.items;
  uint64_t searched = 0;
  for (size_t i = 0; i < image->segments.count; i++) {
    if (segments[i].bytes == NULL || (segments[i].access & SEEP_SEGMENT_WRITABLE) == 0) continue;
    if (!search_segment(&segments[i], visit, context)) return searched;
    searched += segments[i].end - segments[i].begin;
  }
  return searched;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Any bytes as a capture, on the worker's whole way to a trace with its verdict. What stands behind the
 * capture is all that others would tell of: maps, perf maps, symbols, command lines, locks, ends of
 * pipes. What processes have mapped is the vDSO; fuzz_unwind.c has hostile files.
 */
#include <assert.h>
#include <elf.h>
#include <sanitizer/allocator_interface.h>
#include <stdio.h>
#include <sys/auxv.h>

#include "../../daemon/worker.c"
#include "../../lib/trace_read.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

/* ---- what the worker leaves to the end of its process ---- */

#define LEFT (1u << 16)
#define TAKEN ((const volatile void *)1) /* in the place of one that was freed */
#define UNSEEN __attribute__((no_sanitize("coverage")))

static const volatile void *left[LEFT];
static _Thread_local bool tracking;

static UNSEEN unsigned int place_of(const volatile void *p)
{
	return (uintptr_t)p * 0x9e3779b97f4a7c15ull >> 48;
}

static UNSEEN void on_malloc(const volatile void *p, size_t size)
{
	unsigned int i = place_of(p), tries = LEFT;

	(void)size;
	if (!tracking || !p)
		return;
	for (; left[i] && left[i] != TAKEN; i = (i + 1) % LEFT)
		assert(--tries);
	left[i] = p;
}

static UNSEEN void on_free(const volatile void *p)
{
	unsigned int i = place_of(p), tries = LEFT;

	if (!tracking || !p)
		return;
	for (; left[i] && left[i] != p; i = (i + 1) % LEFT)
		assert(--tries);
	if (left[i])
		left[i] = TAKEN;
}

static UNSEEN void free_left(void)
{
	for (unsigned int i = 0; i < LEFT; i++) {
		if (left[i] && left[i] != TAKEN)
			free((void *)(uintptr_t)left[i]);
		left[i] = NULL;
	}
}

/* ---- what is told by others ---- */

static int capture, output, behind, vdso;

/* Out of the way of the worker's own. */
static int make_file(void)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC), high = fcntl(fd, F_DUPFD_CLOEXEC, 20);

	assert(fd >= 0 && high >= 0);
	close(fd);
	return high;
}

static void fill_file(int fd, const void *bytes, size_t len)
{
	assert(!ftruncate(fd, 0) && pwrite(fd, bytes, len, 0) == (ssize_t)len);
}

/* From its beginning. */
static int open_again(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void open_as(int fd, int number)
{
	fd = open_again(fd);
	if (fd == number)
		return;
	dup2(fd, number);
	close(fd);
}

void opener_client_init(struct opener_client *c, int fd)
{
	c->fd = fd;
}

int opener_cmdline(struct opener_client *c, uint32_t pid, uint64_t start, uint64_t boot_offset,
		   char *buf, size_t size, size_t *ret_len)
{
	ssize_t n = pread(behind, buf, size - 1, 0);

	(void)c, (void)pid, (void)start, (void)boot_offset;
	*ret_len = n > 0 ? n : 0;
	buf[*ret_len] = '\0';
	return 0;
}

int opener_tracer(struct opener_client *c, uint32_t tid, uint64_t start, uint64_t boot_offset,
		  uint32_t *ret_tid)
{
	(void)c, (void)tid, (void)start, (void)boot_offset;
	return pread(behind, ret_tid, sizeof(*ret_tid), 0) == sizeof(*ret_tid) ? 0 : -EBADMSG;
}

int opener_maps(struct opener_client *c, const struct opener_life *life, int *ret_fd)
{
	(void)c, (void)life;
	*ret_fd = open_again(behind);
	return 0;
}

int opener_mapped(struct opener_client *c, const struct opener_life *life, uint64_t map_start,
		  uint64_t map_end, uint64_t inode, const char *path, int *ret_fd)
{
	(void)c, (void)life, (void)map_start, (void)map_end, (void)path;
	*ret_fd = open_again(vdso);
	return inode % 8 ? 0 : -ESTALE;
}

int opener_perf_map(struct opener_client *c, uint32_t pid, uint64_t start, uint64_t boot_offset,
		    uint32_t ns_pid, int *ret_fd)
{
	(void)c, (void)pid, (void)start, (void)boot_offset, (void)ns_pid;
	*ret_fd = open_again(behind);
	return 0;
}

int opener_file(struct opener_client *c, const char *path, int *ret_fd)
{
	(void)c, (void)path;
	*ret_fd = open_again(vdso);
	return 0;
}

/* ---- a run ---- */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const Elf64_Ehdr *own = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);

	(void)argc, (void)argv;
	capture = make_file();
	output = make_file();
	behind = make_file();
	vdso = make_file();
	if (own)
		fill_file(vdso, own, own->e_shoff + (size_t)own->e_shnum * own->e_shentsize);
	assert(dup2(capture, WORKER_FD_CAPTURE) >= 0 && dup2(output, WORKER_FD_OUTPUT) >= 0);
	__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
	return 0;
}

/* A trace that was written must be whole. */
static void read_back(void)
{
	struct trace_reader *r;
	struct trace_event e;
	int n;

	assert(!trace_reader_open_fd(open_again(output), &r));
	while ((n = trace_reader_event(r, &e)) > 0)
		;
	assert(n == 0);
	trace_reader_close(r);
}

/* How much of the data is the capture. */
static size_t capture_len(const uint8_t *data, size_t size)
{
	struct capture_header h;

	if (size < sizeof(h))
		return size;
	memcpy(&h, data, sizeof(h));
	return h.size < size ? h.size : size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct worker_result result;
	static struct worker w;
	size_t len = capture_len(data, size);

	fill_file(capture, data, len);
	fill_file(behind, data + len, size - len);
	assert(!ftruncate(output, 0) && !lseek(output, 0, SEEK_SET));
	open_as(behind, WORKER_FD_KALLSYMS);
	open_as(behind, WORKER_FD_ENDS);
	open_as(behind, WORKER_FD_LOCKS);
	memset(&w, 0, sizeof(w));
	w.cpus = 2;
	tracking = true;
	if (!run(&w, false, &result))
		read_back();
	tracking = false;
	free_left();
	if (w.h)
		munmap(w.h, len);
	return 0;
}

/* ---- changes that leave the frame as it is ---- */

static struct capture_span nth(struct capture_span all, size_t size, unsigned int n)
{
	return all.len < size ? all
			      : (struct capture_span){all.offset + n % (all.len / size) * size, size};
}

/* Of a list of records, each with so many bytes before it. */
static struct capture_span nth_record(const uint8_t *data, struct capture_span all, size_t before,
				      unsigned int n)
{
	struct capture_span found[256];
	unsigned int count = 0;
	struct ev_header e;

	for (uint64_t at = before; at + sizeof(e) <= all.len && count < 256;
	     at += before + ((e.len + 7ull) & ~7ull)) {
		memcpy(&e, data + all.offset + at, sizeof(e));
		if (e.len < sizeof(e) || e.len > all.len - at)
			break;
		found[count++] = (struct capture_span){all.offset + at, e.len};
	}
	if (!count)
		return all;
	all = found[n % count];
	/* now and then its time, or all of it; most often what it says */
	if (n >> 8 & 3)
		return (struct capture_span){all.offset + sizeof(e), all.len - sizeof(e)};
	return n >> 10 & 1 ? (struct capture_span){all.offset, sizeof(e.ts)} : all;
}

static struct capture_span choose(const uint8_t *data, const struct capture_header *h,
				  const struct capture_cpu *cpu, unsigned int seed)
{
	const struct capture_span hits = {offsetof(struct capture_header, hits), sizeof(h->hits)};
	struct capture_span part;

	switch (seed % 12) {
	case 0:
		return (struct capture_span){sizeof(h->magic) + sizeof(h->size),
					     hits.offset - sizeof(h->magic) - sizeof(h->size)};
	case 1:
	case 2:
		return nth(hits, sizeof(h->hits[0]), h->n_hits ? seed / 12 % h->n_hits : 0);
	case 3:
		return nth((struct capture_span){sizeof(*h), h->n_cpus * sizeof(*cpu)}, sizeof(*cpu),
			   seed / 12);
	case 4:
	case 5:
		part = nth(cpu->slots, HOT_SLOT_SIZE, seed / 12);
		part.len = part.len < 8 || seed >> 16 & 1 ? part.len : part.len - 8; /* not its seq */
		return part;
	case 6:
		return nth(h->table, sizeof(struct task_slot), seed / 12);
	case 7:
		return h->text;
	case 8:
		return nth_record(data, h->walked, 0, seed / 12);
	default:
		return nth_record(data, h->evidence, 8, seed / 12);
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	struct capture_span part;
	struct capture_header h;
	struct capture_cpu cpu;

	if (seed % 16 == 0 || size < sizeof(h) + sizeof(cpu))
		return LLVMFuzzerMutate(data, size, max);
	memcpy(&h, data, sizeof(h));
	seed /= 16;
	if (seed % 8 == 0 && h.size < size)
		return h.size + LLVMFuzzerMutate(data + h.size, size - h.size, max - h.size);
	seed /= 8;
	h.n_cpus = h.n_cpus < (size - sizeof(h)) / sizeof(cpu) ? h.n_cpus : 1;
	memcpy(&cpu, data + sizeof(h) + (h.n_cpus ? seed % h.n_cpus : 0) * sizeof(cpu), sizeof(cpu));
	/* a span that points away is left as it is */
	for (const struct capture_span *s = &h.evidence; s <= &h.text; s++)
		if (s->offset > size || s->len > size - s->offset)
			return LLVMFuzzerMutate(data, size, max);
	if (cpu.slots.offset > size || cpu.slots.len > size - cpu.slots.offset)
		return LLVMFuzzerMutate(data, size, max);
	part = choose(data, &h, &cpu, seed);
	if (part.len)
		LLVMFuzzerMutate(data + part.offset, part.len, part.len);
	return size;
}

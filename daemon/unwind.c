/* SPDX-License-Identifier: GPL-2.0 */
#include "unwind.h"

#include <stdlib.h>
#include <string.h>

#include "image_internal.h"

#define THREAD 1	       /* libdw wants an id */
#define STACK_GUESS (8u << 20) /* bytes, where the maps do not know the stack */

#ifdef __aarch64__
#define REG_SP 31
#else
#define REG_SP 7
#define REG_PC 16
#endif

struct pc {
	uint64_t address;
	bool exact; /* not a return address */
};

struct unwind_job {
	const struct unwind_regs *regs;
	const uint8_t *stack;
	size_t len;
	uint64_t stack_end; /* address; up to here more could have been copied */
	uint64_t deadline;
	uint64_t last_sp;
	bool cut;     /* since the last frame, a word was wanted that was not copied */
	bool elsewhere; /* a signal came on a stack of its own: what it interrupted is on another one */
	bool stopped; /* by us: end says why */
	enum unwind_end end;
	struct pc pcs[UNWIND_FRAMES_MAX];
	size_t n;
};

/* ---- what libdw asks for ---- */

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
	(void)dwfl, (void)arg;
	if (*thread_arg)
		return 0;
	*thread_arg = arg;
	return THREAD;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread_arg)
{
	(void)dwfl;
	*thread_arg = arg;
	return tid == THREAD;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	struct image *image = arg;
	const struct unwind_regs *r = image->job->regs;
	Dwarf_Word sp = r->sp, pc = r->pc;

	for (int i = 0; i < UNWIND_REGS; i++) {
		Dwarf_Word value = r->reg[i];

		/* what this machine does not have libdw refuses, which is right */
		if (r->valid & 1u << i && i != REG_SP)
			dwfl_thread_state_registers(thread, i, 1, &value);
	}
#ifdef REG_PC
	if (!dwfl_thread_state_registers(thread, REG_PC, 1, &pc))
		return false;
#else
	dwfl_thread_state_register_pc(thread, pc);
#endif
	return dwfl_thread_state_registers(thread, REG_SP, 1, &sp);
}

static bool read_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *ret, void *arg)
{
	struct image *image = arg;
	struct unwind_job *job = image->job;
	uint64_t at = address - job->regs->sp;

	(void)dwfl;
	if (job->len >= sizeof(*ret) && at <= job->len - sizeof(*ret)) {
		memcpy(ret, job->stack + at, sizeof(*ret));
		return true;
	}
	if (job->elsewhere || (address >= job->regs->sp && address < job->stack_end))
		job->cut = true;
	return false;
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = read_memory,
	.set_initial_registers = set_registers,
};

/* ---- frame by frame ---- */

static int stop(struct unwind_job *job, enum unwind_end end)
{
	job->end = end;
	job->stopped = true;
	return DWARF_CB_ABORT;
}

/*
 * Stacks grow down, so callers lie higher. The same place twice is right where
 * a function without a frame has its return address in a register (arm64), and
 * a signal may have come on a stack of its own.
 */
static bool progress(const struct unwind_job *job, uint64_t sp, bool exact)
{
	if (!job->n || exact)
		return true;
	return sp > job->last_sp || (sp == job->last_sp && job->n == 1);
}

/*
 * Called with a frame; to say whether its pc is exact, libdw looks at the next
 * one, for which it needs the module of this one. So the order matters.
 */
static int on_frame(Dwfl_Frame *state, void *arg)
{
	struct image *image = arg;
	struct unwind_job *job = image->job;
	const struct proc_mapping *mapping;
	struct module *m = NULL;
	Dwarf_Addr pc, sp;
	bool exact = !job->n;

	if (job->n == UNWIND_FRAMES_MAX)
		return stop(job, UNWIND_LONG);
	if (deadline_passed(job->deadline))
		return stop(job, UNWIND_LATE);
	if (!dwfl_frame_pc(state, &pc, NULL) || dwfl_frame_reg(state, REG_SP, &sp))
		return stop(job, UNWIND_BROKEN);
	mapping = proc_maps_find(&image->maps, exact ? pc : pc - 1);
	if (mapping)
		m = image_module_at(image, mapping);
	job->cut = false;
	if (!dwfl_frame_pc(state, &pc, &exact))
		return stop(job, UNWIND_BROKEN);
	if (job->n && (!mapping || !mapping->executable || !progress(job, sp, exact)))
		return stop(job, UNWIND_BROKEN);
	job->pcs[job->n++] = (struct pc){ pc, exact };
	if (job->n > 1 && exact && sp - job->regs->sp >= job->stack_end - job->regs->sp)
		job->elsewhere = true;
	job->last_sp = sp;
	return m && m->pub.foreign ? stop(job, UNWIND_BROKEN) : DWARF_CB_OK;
}

/* ---- where it ended ---- */

/* Where the C libraries and Go start threads; not all of them say so in CFI. */
static bool starts_thread(const char *function)
{
	static const char *const names[] = {
		"_start",
		"_start_c",
		"start_thread",
		"clone",
		"__clone",
		"clone3",
		"__clone3",
		"thread_start",
		"runtime.goexit",
		"runtime.mstart",
		"runtime.goexit.abi0",
		"runtime.mstart.abi0",
	};

	for (size_t i = 0; function && i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(function, names[i]))
			return true;
	}
	return false;
}

/* The CFI says that there is no return address, as it does where threads begin. */
static bool has_no_caller(struct image *image, const struct pc *pc)
{
	uint64_t address = pc->exact ? pc->address : pc->address - 1;
	const struct proc_mapping *mapping = proc_maps_find(&image->maps, address);
	struct module *m = mapping ? image_module_at(image, mapping) : NULL;
	Dwarf_Op memory[3], *ops;
	Dwarf_Frame *frame;
	Dwarf_Addr bias;
	Dwarf_CFI *cfi;
	size_t n;
	bool ret;
	int ra;

	if (!m || m->pub.foreign)
		return false;
	cfi = dwfl_module_eh_cfi(m->dwfl, &bias);
	if (!cfi || dwarf_cfi_addrframe(cfi, address - bias, &frame))
		return false;
	ra = dwarf_frame_info(frame, NULL, NULL, NULL);
	ret = ra >= 0 && !dwarf_frame_register(frame, ra, memory, &ops, &n) && !n && ops == memory;
	free(frame);
	return ret;
}

/*
 * libdw tells the end of a thread from a return address that is 0 or could not
 * be read by neither its result nor its error, so it is asked again.
 */
static enum unwind_end end_of(struct image *image, const struct pc *last, const char *function,
			      enum unwind_end end)
{
	if (end != UNWIND_CUT && end != UNWIND_BROKEN)
		return end;
	return starts_thread(function) || has_no_caller(image, last) ? UNWIND_COMPLETE : end;
}

/* ---- names ---- */

/*
 * Beyond the frame that began the thread may stand what it found on its stack (Go), or what the
 * kernel took for frames: a walk that went on there, to no end, has ended before. Calls are looked
 * at: who just calls clone() is no start.
 */
static size_t end_at_start(struct image *image, const struct pc *pcs, size_t n, uint64_t deadline,
			   size_t filled, enum unwind_end *end)
{
	struct image_frame here[IMAGE_INLINES_MAX];
	size_t at = 0, k;

	for (size_t i = 0; *end == UNWIND_BROKEN && i < n && at < filled; i++) {
		k = image_frames(image, pcs[i].address, pcs[i].exact, deadline, here);
		at += k;
		if (!pcs[i].exact && (starts_thread(here[k - 1].function) ||
				      has_no_caller(image, &pcs[i]))) {
			*end = UNWIND_COMPLETE;
			filled = at;
		}
	}
	return filled;
}

static size_t name_all(struct image *image, const struct pc *pcs, size_t n, uint64_t deadline,
		       struct image_frame *frames, size_t max, enum unwind_end *end)
{
	struct image_frame here[IMAGE_INLINES_MAX];
	size_t filled = 0, k;

	for (size_t i = 0; i < n; i++) {
		k = image_frames(image, pcs[i].address, pcs[i].exact, deadline, here);
		if (filled + k > max) {
			k = max - filled;
			*end = UNWIND_LONG;
		}
		memcpy(frames + filled, here, k * sizeof(*frames));
		filled += k;
		if (filled == max && i + 1 < n)
			*end = UNWIND_LONG;
		if (filled == max)
			break;
	}
	if (filled)
		*end = end_of(image, &pcs[n - 1], frames[filled - 1].function, *end);
	return end_at_start(image, pcs, n, deadline, filled, end);
}

static uint64_t stack_end(const struct image *image, const struct unwind_regs *regs)
{
	const struct proc_mapping *m = proc_maps_find(&image->maps, regs->sp);
	uint64_t guess = regs->sp + STACK_GUESS;

	if (m && m->writable)
		return m->end;
	return guess > regs->sp ? guess : UINT64_MAX;
}

static bool attach(struct image *image)
{
	return dwfl_pid(image->dwfl) == THREAD ||
	       dwfl_attach_state(image->dwfl, image->machine, THREAD, &thread_callbacks, image);
}

/*
 * Called through a pointer to no function: nothing was done there, and the address to return to is
 * on top of the stack. Then these are the caller's registers, within the call.
 */
static bool called_nothing(const struct image *image, const struct unwind_regs *regs,
			   const void *stack, size_t len, struct unwind_regs *ret)
{
#ifdef REG_PC
	const struct proc_mapping *m = proc_maps_find(&image->maps, regs->pc);

	if ((m && m->executable) || len < sizeof(ret->pc))
		return false;
	*ret = *regs;
	memcpy(&ret->pc, stack, sizeof(ret->pc));
	ret->pc--;
	ret->sp += sizeof(ret->pc);
	m = proc_maps_find(&image->maps, ret->pc);
	return m && m->executable;
#else
	(void)image, (void)regs, (void)stack, (void)len, (void)ret;
	return false;
#endif
}

size_t unwind_dwarf(struct image *image, const struct unwind_regs *regs, const void *stack,
		    size_t len, uint64_t deadline, struct image_frame *frames, size_t max,
		    enum unwind_end *ret_end)
{
	struct unwind_job job = { .regs = regs,
				  .stack = stack,
				  .len = len,
				  .deadline = deadline,
				  .stack_end = stack_end(image, regs) };
	struct unwind_regs caller;

	if (called_nothing(image, regs, stack, len, &caller)) {
		job.regs = regs = &caller;
		job.stack += sizeof(caller.pc);
		job.len -= sizeof(caller.pc);
	}
	image->job = &job;
	if (attach(image))
		dwfl_getthread_frames(image->dwfl, THREAD, on_frame, image);
	image->job = NULL;
	*ret_end = job.stopped ? job.end : job.cut ? UNWIND_CUT : UNWIND_BROKEN;
	if (!job.n)
		job.pcs[job.n++] = (struct pc){ regs->pc, true };
	return name_all(image, job.pcs, job.n, deadline, frames, max, ret_end);
}

/* Where rbp is no frame pointer, the kernel goes on to whatever it points to. */
static bool is_code(const struct image *image, uint64_t pc)
{
	const struct proc_mapping *m = proc_maps_find(&image->maps, pc - 1);

	return m && m->executable;
}

size_t unwind_pcs(struct image *image, const uint64_t *pcs, size_t n, uint64_t deadline,
		  struct image_frame *frames, size_t max, enum unwind_end *ret_end)
{
	struct pc list[UNWIND_FRAMES_MAX];

	*ret_end = n > UNWIND_FRAMES_MAX       ? UNWIND_LONG
		   : deadline_passed(deadline) ? UNWIND_LATE
					       : UNWIND_BROKEN;
	if (n > UNWIND_FRAMES_MAX)
		n = UNWIND_FRAMES_MAX;
	while (n > 1 && !is_code(image, pcs[n - 1]))
		n--;
	for (size_t i = 0; i < n; i++)
		list[i] = (struct pc){ pcs[i], i == 0 };
	return name_all(image, list, n, deadline, frames, max, ret_end);
}

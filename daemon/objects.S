/* SPDX-License-Identifier: GPL-2.0 */
/* The BPF programs, one object for each way to learn the interrupt context (compat.bpf.h). */
	.section .rodata
	.macro object name, file
	.balign 16
	.global \name\()_start
	.hidden \name\()_start
	.global \name\()_end
	.hidden \name\()_end
\name\()_start:
	.incbin "\file"
\name\()_end:
	.endm

	object object_located, "frec-located.bpf.o"
	object object_preempt_count, "frec-preempt_count.bpf.o"
	object object_pcpu_hot, "frec-pcpu_hot.bpf.o"
	.section .note.GNU-stack, "", %progbits

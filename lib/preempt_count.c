/* SPDX-License-Identifier: GPL-2.0 */
#include "preempt_count.h"

#include <bpf/btf.h>
#include <errno.h>
#include <string.h>

/* Of a member, also in what has no name in it: bits. */
static int member_offset(const struct btf *btf, uint32_t id, const char *name, uint32_t *ret)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	if (!t || !btf_is_composite(t))
		return -ENOENT;
	for (int i = 0; i < btf_vlen(t); i++) {
		const struct btf_member *m = btf_members(t) + i;
		const char *is = btf__name_by_offset(btf, m->name_off);
		uint32_t inner = 0;

		if (strcmp(is, name) && (*is || member_offset(btf, m->type, name, &inner)))
			continue;
		*ret = btf_member_bit_offset(t, i) + inner;
		return 0;
	}
	return -ENOENT;
}

static bool struct_has(const struct btf *btf, const char *name, const char *member)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);
	uint32_t offset;

	return id > 0 && !member_offset(btf, id, member, &offset);
}

/* All variables of a kind that each CPU has one of lie in one section. */
static int variable_offset(const struct btf *btf, const char *name, uint32_t *ret,
			   uint32_t *ret_type)
{
	int id = btf__find_by_name_kind(btf, ".data..percpu", BTF_KIND_DATASEC);
	const struct btf_type *section = id < 0 ? NULL : btf__type_by_id(btf, id);

	for (int i = 0; section && i < btf_vlen(section); i++) {
		const struct btf_var_secinfo *v = btf_var_secinfos(section) + i;
		const struct btf_type *var = btf__type_by_id(btf, v->type);

		if (strcmp(btf__name_by_offset(btf, var->name_off), name))
			continue;
		*ret = v->offset;
		*ret_type = var->type;
		return 0;
	}
	return -ENOENT;
}

int preempt_count_offset(const struct btf *kernel, int64_t *ret)
{
	uint32_t queue, count, type, member = 0;
	int err;

	if (struct_has(kernel, "thread_info", "preempt_count")) {
		*ret = 0;
		return 0;
	}
	if (!struct_has(kernel, "sched_entity", "cfs_rq")) /* CONFIG_FAIR_GROUP_SCHED */
		return -ENOENT;
	err = variable_offset(kernel, "runqueues", &queue, &type);
	if (!err && variable_offset(kernel, "__preempt_count", &count, &type)) {
		err = variable_offset(kernel, "pcpu_hot", &count, &type);
		if (!err)
			err = member_offset(kernel, type, "preempt_count", &member);
	}
	if (!err)
		*ret = (int64_t)count + member / 8 - queue;
	return err;
}

bool preempt_count_lacks_softirqs(const struct btf *kernel)
{
	return struct_has(kernel, "task_struct", "softirq_disable_cnt");
}

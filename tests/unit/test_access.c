/* SPDX-License-Identifier: GPL-2.0 */
/* Who may look into whom, and what may be sent to the trigger socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../daemon/access.h"
#include "../../lib/message.h"

static const struct access_facts user = {
	.uid = { 1000, 1000, 1000 }, .gid = { 100, 100, 100 }, .dumpable = true, .here = true
};

static void test_rule(void **state)
{
	struct access_facts f = user;

	(void)state;
	assert_null(access_flaw(&user, &user, false));
	for (int i = 0; i < 3; i++) {
		f = user;
		f.uid[i] = 0;
		assert_non_null(access_flaw(&user, &f, false));
		assert_non_null(access_flaw(&user, &f, true));
		f = user;
		f.gid[i] = 0;
		assert_non_null(access_flaw(&user, &f, false));
	}
	f = user;
	f.dumpable = false;
	assert_non_null(access_flaw(&user, &f, false));
	f = user;
	f.here = false;
	assert_non_null(access_flaw(&user, &f, false));
	assert_non_null(access_flaw(&f, &user, false));
	assert_null(access_flaw(&f, &f, true)); /* itself, wherever it is */
	f = user;
	f.permitted = 1 << 13;
	assert_non_null(access_flaw(&user, &f, false));
	assert_null(access_flaw(&f, &user, false));
}

static void test_parse(void **state)
{
	struct access_facts f = { .permitted = 7 };

	(void)state;
	assert_int_equal(
		access_parse("Name:\tUid:\\n\nUmask:\t0022\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n"
			     "CapPrm:\t00000000a80425fb\n",
			     &f),
		0);
	assert_int_equal(f.uid[0], 1);
	assert_int_equal(f.uid[2], 3);
	assert_int_equal(f.gid[1], 6);
	assert_true(f.permitted == 0xa80425fbull);
	assert_int_equal(access_parse("", &f), -EBADMSG);
	assert_int_equal(access_parse("\nUid:\t1\t2\n\nGid:\t5\t6\t7\t8\nCapPrm:\t0\n", &f),
			 -EBADMSG);
	assert_int_equal(access_parse("\nUid:\t1\t2\t3\nGid:\t5\t6\t7\t8\n", &f), -EBADMSG);
}

static void test_self(void **state)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0), proc;
	struct access_facts f;

	(void)state;
	assert_true(pidfd >= 0);
	assert_int_equal(access_pid_of(pidfd), getpid());
	assert_int_equal(access_pid_of(0), -EBADF);
	proc = access_open(getpid(), pidfd);
	assert_true(proc >= 0);
	assert_int_equal(access_read(proc, &f), 0);
	assert_int_equal(f.uid[0], getuid());
	assert_true(f.dumpable && f.here);
	assert_null(access_flaw(&f, &f, true));
	assert_int_equal(access_open(getppid(), pidfd), -ESRCH); /* another process than the pidfd's */
	assert_int_equal(access_open(0, -1), -ESRCH);
	close(proc);
	close(pidfd);
}

static void test_message(void **state)
{
	struct frec_message m;
	struct message got;

	(void)state;
	frec_fill_(&m, FREC_TRIGGER, 5);
	m.name_size = 4;
	m.text_size = 3;
	memcpy(m.bytes, "nameok\xe2", 7); /* cut within a character */
	assert_int_equal(message_parse(&m, FREC_MESSAGE_HEAD + 7, &got), 0);
	assert_string_equal(got.name, "name");
	assert_string_equal(got.text, "ok?");
	assert_true(got.begin == 5 && got.tid == m.tid);
	assert_int_equal(message_parse(&m, FREC_MESSAGE_HEAD + 6, &got), -EBADMSG);
	assert_int_equal(message_parse(&m, FREC_MESSAGE_HEAD + 8, &got), -EBADMSG);
	assert_int_equal(message_parse(&m, FREC_MESSAGE_HEAD - 1, &got), -EBADMSG);
	m.kind = FREC_SNAPSHOT;
	assert_int_equal(message_parse(&m, FREC_MESSAGE_HEAD + 7, &got), -EBADMSG);
	m.name_size = m.text_size = 0;
	assert_int_equal(message_parse(&m, FREC_MESSAGE_HEAD, &got), 0);
	m.version++;
	assert_int_equal(message_parse(&m, FREC_MESSAGE_HEAD, &got), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_self),
		cmocka_unit_test(test_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs under systemd, started by systemd.sh: drives the installed unit. The
# checks go on from each other; a failed one shows the unit's journal.

check()
{
	local name=systemd-$1 said

	shift
	if said=$("$@" 2>&1); then
		echo "ok $name"
	else
		echo "not ok $name"
		{ echo "$said" && systemctl status --no-pager --full --lines=20 frecd; } | sed 's/^/# /'
	fi
}

property()
{
	systemctl show --value -p "$1" frecd
}

# until_true SECONDS COMMAND...: tries COMMAND until it succeeds.
until_true()
{
	local deadline=$((SECONDS + $1))

	shift
	until "$@"; do
		((SECONDS < deadline)) || return 1
		sleep 0.1
	done
}

recording()
{
	systemctl -q is-active frecd &&
		frecctl status --json | tr -d ' \n' | grep -q '"state":"recording"'
}

files_verify()
{
	systemd-analyze verify --man=no --recursive-errors=yes \
		/usr/lib/systemd/system/frecd.service &&
		systemd-analyze security --offline=yes --threshold=20 \
			/usr/lib/systemd/system/frecd.service &&
		systemd-analyze security --offline=yes --threshold=20 \
			/usr/lib/systemd/system/frecd-rescue.service
}

starts()
{
	systemctl start frecd && systemctl -q is-active frecd && recording
}

# The daemon runs as frec, with its five capabilities and no more; once it records it has let go of
# those that the opener has, and of the one to see the kernel's symbols.
rights()
{
	local status bounding user effective
	# bpf, perfmon, syslog, sys_ptrace, dac_read_search
	local wanted=$((1 << 39 | 1 << 38 | 1 << 34 | 1 << 19 | 1 << 2))

	status=/proc/$(property MainPID)/status
	user=$(id -u frec)
	grep -E '^(Uid|Cap)' "$status"
	bounding=$((16#$(sed -n 's/^CapBnd:\t//p' "$status")))
	effective=$((16#$(sed -n 's/^CapEff:\t//p' "$status")))
	grep -q "^Uid:.$user.$user" "$status" && ((bounding == wanted)) &&
		((effective == (1 << 39 | 1 << 38)))
}

# What the recorder has pinned; the kernel itself may put two files there.
pinned()
{
	find /run/frec/bpf -mindepth 1 ! -name maps.debug ! -name progs.debug
}

# A bpffs of the recorder's own; the kernel adds the sticky bit.
pin_directory()
{
	stat -f -c %T /run/frec/bpf && stat -c '%a %U:%G' /run/frec/bpf
	[ "$(stat -f -c %T /run/frec/bpf)" = bpf_fs ] &&
		[[ $(stat -c '%a %U:%G' /run/frec/bpf) == ?(1)700\ frec:frec ]] && [ -n "$(pinned)" ]
}

snapshot()
{
	local path

	path=$(frecctl snapshot) && stat -c '%a %U:%G %s' "$path" || return 1
	[ -s "$path" ] && [ "$(stat -c %a:%G "$path")" = 640:frec ]
}

reloads()
{
	local pid

	pid=$(property MainPID)
	systemctl reload frecd && recording && [ "$(property MainPID)" = "$pid" ]
}

span_attached()
{
	frecctl status --json >/run/frec-status && ! grep 'cannot fire' /run/frec-status
}

# A program that ProtectHome= hides from the unit, in a folder that is closed to it.
spans()
{
	local result=0

	printf '%s\n' '[trigger span]' 'kind = span' 'exe = /home/closed/spans' 'span = order' \
		'threshold = 1s' >/etc/frec/conf.d/span.conf
	systemctl reload frecd && until_true 10 span_attached || result=1
	rm /etc/frec/conf.d/span.conf
	systemctl reload frecd && recording && return $result
}

restarted()
{
	[ "$(property NRestarts)" = "$1" ] && recording
}

rescues()
{
	[ "$(find /var/lib/frec/snapshots -name '*-rescue-frecd-*.pftrace' | wc -l)" = "$1" ]
}

# After kill -9 the same pins are there for the next daemon, which writes what they hold.
survives_kill()
{
	systemctl kill -s KILL --kill-whom=main frecd && until_true 20 restarted 1 && pin_directory &&
		until_true 10 rescues 1
}

killed_off()
{
	systemctl kill -s KILL --kill-whom=main frecd 2>/dev/null
	systemctl -q is-failed frecd
}

given_up()
{
	[ -z "$(pinned)" ] && [ "$(systemctl show --value -p SubState frecd-rescue)" = dead ]
}

# One that dies again and again is not started any more: its window is rescued, no pins are left.
gives_up()
{
	systemctl reset-failed frecd
	systemctl start frecd && recording || return 1
	rm -f /var/lib/frec/snapshots/*rescue*
	until_true 40 killed_off || return 1
	until_true 20 given_up || { systemctl status --no-pager frecd-rescue; pinned; return 1; }
	! rescues 0 && systemctl show -p Result frecd-rescue | grep -qx Result=success
}

# A daemon that hangs is replaced.
watchdog()
{
	systemctl kill -s STOP --kill-whom=main frecd && until_true 30 restarted 2
}

# A clean stop leaves no pins and counts as success.
stops()
{
	systemctl stop frecd
	systemctl show -p Result,ExecMainStatus,ActiveState frecd
	pinned
	[ "$(property Result):$(property ExecMainStatus)" = success:0 ] && [ -z "$(pinned)" ]
}

# A wrong configuration is exit status 2, and systemd does not try again.
wrong_configuration()
{
	printf '[recorder]\nwindow = soon\n' >/etc/frec/conf.d/wrong.conf
	! systemctl start frecd || return 1
	until_true 5 systemctl -q is-failed frecd
	rm /etc/frec/conf.d/wrong.conf
	systemctl show -p Result,ExecMainStatus,NRestarts frecd
	[ "$(property ExecMainStatus):$(property NRestarts)" = 2:0 ]
}

# Thirty seconds are too long for a test.
mkdir -p /run/systemd/system/frecd.service.d
printf '[Service]\nWatchdogSec=3\n' >/run/systemd/system/frecd.service.d/test.conf
systemctl daemon-reload

check verify files_verify
check start starts
check rights rights
check pin-directory pin_directory
check snapshot snapshot
check reload reloads
check spans spans
check kill survives_kill
check watchdog watchdog
check stop stops
check wrong-configuration wrong_configuration
check gives-up gives_up
echo end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What cannot be: each has its one clear line and its exit code; what need not be stops nothing.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

# refused STATUS PATTERN COMMAND…: ends with STATUS, and its only line that is no warning matches.
refused() {
	local want=$1 pattern=$2 got lines

	shift 2
	timeout 20 "$@" >"$work/out" 2>&1
	got=$?
	[ $got = "$want" ] || fail "$* ended with $got, want $want: $(cat "$work/out")"
	lines=$(grep -vc 'no user and group' "$work/out")
	[ "$lines" = 1 ] || fail "$*: $lines lines: $(cat "$work/out")"
	grep -qE -- "$pattern" "$work/out" || fail "$*: $(cat "$work/out"), want $pattern"
}

config() { # TEXT: a configuration of this test that ends with TEXT
	printf '%s\n' "$1" | write_config "$work/$2.conf"
	echo "$work/$2.conf"
}

# ---- configuration

refused 2 'unknown.conf:10: .*colour' "$frecd" --config "$(config $'[recorder]\ncolour = red' unknown)"
refused 2 "bad.conf:10: window: got 'soon', want " "$frecd" --config "$(config $'[recorder]\nwindow = soon' bad)"
refused 2 "bad.conf:10: window: got 'soon', want " "$frecd" --check-config --config "$work/bad.conf"
refused 2 "bad.conf:10: window: got 'soon', want " "$frecd" --dry-run --config "$work/bad.conf"
refused 2 "section" "$frecd" --config "$(config $'[painter]\nx = 1' section)"
refused 2 "none.conf.*No such file" "$frecd" --config "$work/none.conf"
# the terminal does not obey a name
refused 2 "/[?]\[31m[?].conf: cannot be read: No such file" "$frecd" --config "$work/"$'\e[31m\xc2\x9b.conf'
refused 2 "/[?]\[31m[?].conf:10: .*colour" "$frecd" --config "$(config $'[recorder]\ncolour = red' $'\e[31m\xc2\x9b')"
"$frecd" --bogus >"$work/out" 2>&1
[ $? = 2 ] || fail "--bogus did not end with 2"
"$frecd" now >"$work/out" 2>&1
[ $? = 2 ] || fail "an argument did not end with 2"
write_config </dev/null
refused 0 'the configuration is good' "$frecd" --check-config --config "$work/frec.conf"
refused 0 'the programs load' "$frecd" --dry-run --config "$work/frec.conf"
[ ! -e "$work/run" ] || fail "--check-config or --dry-run made the run directory"

# ---- privileges

nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
cp "$frecd" "$work/frecd"
refused 1 'not permitted: run as root' "${nobody[@]}" "$work/frecd" --config "$work/frec.conf"
refused 1 'not permitted: run as root' "${nobody[@]}" "$work/frecd" --dry-run --config "$work/frec.conf"

# ---- the kernel's side

if can_mount; then
	no_btf=(unshare --mount sh -c 'mount -t tmpfs none /sys/kernel/btf && exec "$@"' -)
	refused 1 'CONFIG_DEBUG_INFO_BTF' "${no_btf[@]}" "$frecd" --config "$work/frec.conf"
	refused 1 'CONFIG_DEBUG_INFO_BTF' "${no_btf[@]}" "$frecd" --dry-run --config "$work/frec.conf"
fi

# ---- run directory

touch "$work/file"
ln -s "$work" "$work/link"
mkdir -m 777 "$work/open"
mkdir "$work/foreign"
chown 65534 "$work/foreign"
for case in "/proc/frec:No such file" "$work/none/run:No such file" "$work/file:Not a directory" \
	"$work/link:(Too many levels|Not a directory)" "$work/open:others may write" \
	"$work/foreign:it belongs to another user"; do
	sed "s|^run_directory.*|run_directory = ${case%%:*}|" "$work/frec.conf" >"$work/run.conf"
	refused 1 "cannot use ${case%%:*} as run_directory: ${case#*:}" "$frecd" --config "$work/run.conf"
done

# ---- a second one; twice, since the first refusal must not take the lock away

start_frecd
refused 1 "another frecd runs in $work/run" "$frecd" --config "$work/frec.conf"
refused 1 "another frecd runs in $work/run" "$frecd" --config "$work/frec.conf"
is_recording || fail "the first one does not record any more"
[ "$(status "d['pinned']")" = true ] || fail "not pinned"

# a third with a run directory of its own, but the pins of the first
sed "s|^run_directory.*|run_directory = $work/run2|" "$work/frec.conf" >"$work/third.conf"
"$frecd" --config "$work/third.conf" 2>"$work/third.log" &
pids+=($!)
within 20 "$BUILD/frecctl" --run-directory "$work/run2" status || fail "the third does not record"
grep -q 'pin_directory: another frecd uses it' "$work/third.log" || fail "the third did not say it"
[ -e "$work/run/bpf/link_on_sched_switch" ] || fail "the third took the first one's pins"
stop_pid "${pids[-1]}"
[ -e "$work/run/bpf/link_on_sched_switch" ] || fail "the third's end took the first one's pins"
stop_frecd || fail "ended with $?"

# ---- what recording does not need: bpffs, tracefs, the kernel's symbols

can_mount || skip "needs a mount namespace, for a host without BTF, bpffs, tracefs and kallsyms; all else is refused"
private() { # unshare(1) keeps its mounts private
	exec unshare --mount sh -c 'mount --bind /dev/null /proc/kallsyms
		umount -q /sys/kernel/tracing /sys/kernel/debug/tracing /sys/kernel/debug
		exec "$@"' - "$@"
}
sed "s|^pin_directory.*|pin_directory = $work/none/bpf|" "$work/frec.conf" >"$work/poor.conf"
private "$frecd" --config "$work/poor.conf" 2>"$work/frecd.log" &
frecd_pid=$!
within 20 is_recording || fail "does not record without bpffs, tracefs and kallsyms"
[ "$(status "d['pinned']")" = false ] || fail "claims to be pinned"
[ "$(grep -c "cannot use $work/none/bpf as pin_directory: the directory that it should be in is not there: make that, or set pin_directory" "$work/frecd.log")" = 1 ] ||
	fail "no warning, or not what to do: $(cat "$work/frecd.log")"
ctl snapshot >/dev/null || fail "no snapshot without bpffs, tracefs and kallsyms"
stop_frecd || fail "ended with $?"
exit 0

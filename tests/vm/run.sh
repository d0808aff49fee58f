#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# run.sh [-v] [-k SERIES]... [SCRIPT]...
#
# Boots Debian's cloud kernels in QEMU with an initramfs that holds the programs
# below build/ and runs each SCRIPT (default: guest/*.sh) in it. Prints one
# "ok", "not ok" or "skip" line for each script and kernel; exits 1 if one failed.
# Without KVM a guest is twenty times slower, on a machine that others use: what failed is run once
# more, in a guest of its own, and an "again" line says why.
# Needs no root and no KVM. Environment: BUILD, FREC_VM_CACHE, FREC_VM_ACCEL.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../../build}
busybox=${BUSYBOX:-/bin/busybox}
script_limit=90 # seconds for one script, boot_limit for a guest's whole life
boot_limit=220

skip_all()
{
	local series script

	for series in "${kernels[@]}"; do
		for script in "${scripts[@]}"; do
			echo "skip $(basename "$script" .sh) on $series: $1"
		done
	done
	exit 0
}

# Copies a program or a folder's programs with the libraries they need.
add_programs()
{
	local to=$root$1 file library

	shift
	mkdir -p "$to"
	for file; do
		if [ ! -f "$file" ] || [ ! -x "$file" ]; then continue; fi
		cp -L "$file" "$to/"
		{ ldd "$file" 2>/dev/null || true; } | { grep -o '/[^ ]*' || true; } |
			while read -r library; do
				mkdir -p "$root${library%/*}"
				cp -Ln "$library" "$root$library"
			done
	done
}

make_initramfs()
{
	local applet root=$work/root

	rm -rf "$root"
	mkdir -p "$root"/{bin,sbin,etc,proc,sys,dev,root,usr/bin,usr/sbin,tests}
	cp "$busybox" "$root/bin/busybox"
	for applet in $("$busybox" --list); do
		[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
	done
	printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
	cp "$here/init" "$root/init"
	cp "${scripts[@]}" "$root/tests/"
	cp "$here/guest/lib" "$root/tests/lib"
	echo "$script_limit" >"$root/tests/limit"
	add_programs /usr/sbin "$build/frecd"
	add_programs /usr/bin "$build/frecctl"
	add_programs /tests/bin "$build"/tests/*
	[ ! -e "$here/../../systemd/frec.conf" ] ||
		install -D -m 644 "$here/../../systemd/frec.conf" "$root/etc/frec/frec.conf"
	(cd "$root" && find . | cpio -o -H newc --quiet -R 0:0) >"$work/initramfs"
}

boot()
{
	timeout -k 5 "$boot_limit" qemu-system-x86_64 -M pc,hpet=off \
		-accel "${FREC_VM_ACCEL:-tcg,thread=multi}" -cpu max,la57=off -smp 2 -m 1024 \
		-kernel "$1" -initrd "$work/initramfs" \
		-append "console=ttyS0 panic=-1 reboot=t loglevel=4 nokaslr mitigations=off \
			no_timer_check tsc=reliable random.trust_cpu=on rdinit=/init" \
		-nodefaults -no-user-config -display none -no-reboot -monitor none \
		-serial "file:$work/console" -serial "file:$work/result" \
		</dev/null >"$work/qemu" 2>&1
}

# Prints the guest's results with the kernel's name in them; a script that left
# none was running, or still to come, when the guest died.
print_results()
{
	local series=$1 script name died=

	tr -d '\r' <"$work/result" |
		sed -E "s/^((not )?ok|skip) ([^ :]+)/\1 \3 on $series/"
	for script in "${scripts[@]}"; do
		name=$(basename "$script" .sh)
		grep -aqE "^(ok|not ok|skip) $name( |:|\$)" "$work/result" && continue
		echo "not ok $name on $series (the guest died)"
		died=1
	done
	if [ -n "$died$verbose" ]; then
		tail -n 40 "$work/console" "$work/qemu" | sed 's/^/# /'
	fi
	[ -z "$died" ] && ! grep -aq '^not ok' "$work/result"
}

# boot_and_print IMAGE SERIES: runs $scripts
boot_and_print()
{
	make_initramfs
	: >"$work/console"
	: >"$work/result"
	boot "$1" || true
	print_results "$2"
}

run_kernel()
{
	local series=$1 image

	if ! image=$("$here/kernel.sh" "$series" 2>"$work/reason"); then
		kernels=("$series")
		(skip_all "$(tail -n 1 "$work/reason")")
		return
	fi
	boot_and_print "$image" "$series" >"$work/lines" && { cat "$work/lines"; return; }
	grep -aE '^(ok|skip) ' "$work/lines" || true
	sed -nE '/^(ok|skip) /d; s/^not ok/again/; p' "$work/lines"
	mapfile -t scripts < <(sed -nE "s|^not ok ([^ ]+) .*|$here/guest/\\1.sh|p" "$work/lines")
	boot_and_print "$image" "$series"
}

kernels=() verbose=''
while getopts k:v option; do
	case $option in
	k) kernels+=("$OPTARG") ;;
	v) verbose=1 ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
scripts=("$@")
[ ${#scripts[@]} -gt 0 ] || scripts=("$here"/guest/*.sh)
[ ${#kernels[@]} -gt 0 ] || kernels=(6.1 6.12)
for tool in qemu-system-x86_64 cpio "$busybox"; do
	command -v "$tool" >/dev/null || skip_all "no $tool here"
done

work=$(mktemp -d "${TMPDIR:-/tmp}/frec-vm.XXXXXX")
trap 'rm -rf "$work"' EXIT
failed=0
for series in "${kernels[@]}"; do
	all=("${scripts[@]}")
	run_kernel "$series" || failed=1
	scripts=("${all[@]}")
done
exit $failed

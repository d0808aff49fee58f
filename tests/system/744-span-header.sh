#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The probes of frec.h: by gcc and clang, in C99 and C++11, with and without optimisation, in programs
# and libraries, several of one name, inlined, in templates: a nop each, the id in one register, and
# notes as readelf knows them. In a stripped program, too; and the finder finds them all.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

header=$(cd "$(dirname "$0")/../.." && pwd)/include
command -v readelf >/dev/null && command -v objdump >/dev/null || skip "no readelf"
cat >"$work/t.c" <<-'END'
	#include <frec/frec.h>
	#define order wrong
	static inline void inlined(uint64_t id) { FREC_SPAN_BEGIN(twice, id); FREC_SPAN_END("twice", id); }
	void several(int id, short small) {
		FREC_SPAN_BEGIN("a.b:c-d", id);
		inlined((uint64_t)id);
		inlined((uint64_t)id + 1);
		FREC_SPAN_BEGIN(order, small);
		FREC_SPAN_END(order, small);
		FREC_SPAN_END("a.b:c-d", id);
	}
	#ifdef __cplusplus
	template<typename T> inline void generic(T id) { FREC_SPAN_BEGIN(generic, id); FREC_SPAN_END(generic, id); }
	void MORE(void) { generic(1); generic(2ull); generic('c'); }
	#endif
	#ifdef MAIN
	int main(int argc, char **argv) { several(argc, (short)argc); return !argv; }
	#endif
END

# check FILE: every note is at a nop, and says the register; all names are there.
check() {
	readelf -n "$1" 2>/dev/null >"$work/notes" || fail "$2: readelf"
	objdump -d "$1" >"$work/code"
	python3 - "$work/notes" "$work/code" "$2" <<-'END' || fail "$2"
		import re, sys
		notes, code = open(sys.argv[1]).read(), open(sys.argv[2]).read()
		nops = {int(a, 16) for a in re.findall(r'^ *([0-9a-f]+):\t[0-9a-f ]+\s*\tnop *$', code, re.M)}
		found = re.findall(r'Provider: (\S+)\n +Name: (\S+)\n +Location: (\S+), Base: (\S+), Semaphore: (\S+)\n'
		                   r' +Arguments: (\S+)', notes)
		want = {'twice', 'a.b:c-d', 'order'} | ({'generic'} if '++' in sys.argv[3] else set())
		for end in ('frec_begin', 'frec_end'):
		    names = {f[1] for f in found if f[0] == end}
		    assert names == want, (end, names)
		assert len(found) == len({f[2] for f in found}) >= 2 * len(want), found
		for f in found:
		    assert int(f[2], 16) in nops and int(f[4], 16) == 0 and f[5] in ('8@%rdi', '8@x0'), f
	END
}

tried=0
for compiler in "gcc -std=c99" "clang -std=c99" "g++ -std=c++11" "clang++ -std=c++11"; do
	command -v "${compiler%% *}" >/dev/null || continue
	case $compiler in *++*) language=c++ ;; *) language=c ;; esac
	for options in "-O0 -DMAIN" "-O2 -DMAIN" "-O2 -DMAIN -fPIE -pie" "-O2 -DMAIN -static" "-O2 -fPIC -shared" \
		"-O3 -DMAIN -ffunction-sections -Wl,--gc-sections"; do
		# two files, so that what is in both is there once
		# shellcheck disable=SC2086
		$compiler $options -pedantic -Wall -Wextra -Werror -I "$header" -DMORE=more -x $language "$work/t.c" \
			-o "$work/out" 2>"$work/errors" || fail "$compiler $options: $(head -5 "$work/errors")"
		check "$work/out" "$compiler $options"
		tried=$((tried + 1))
	done
	case $compiler in *++*)
		# shellcheck disable=SC2086
		$compiler -O1 -I "$header" -DMAIN -DMORE=more -x c++ -c "$work/t.c" -o "$work/one.o" &&
			sed 's/void several/static void several/' "$work/t.c" >"$work/t2.c" &&
			$compiler -O1 -I "$header" -DMORE=other -x c++ -c "$work/t2.c" -o "$work/two.o" 2>/dev/null &&
			$compiler "$work/one.o" "$work/two.o" -o "$work/out" || fail "$compiler: two files with one template"
		check "$work/out" "$compiler, two files"
		;;
	esac
done
[ "$tried" -gt 0 ] || skip "no compiler"

# stripped: symbols go, the notes stay
strip "$work/out"
write_config <<-END
	[trigger stripped]
	kind = span
	exe = $work/out
	span = *
	threshold = 1s
END
start_frecd
within 10 grep -q 'trigger stripped watches [34] spans' "$work/frecd.log" || fail "the finder: $(cat "$work/frecd.log")"
places=$(grep -o 'at [0-9]* places' "$work/frecd.log" | grep -o '[0-9]*')
[ "$places" = "$(readelf -n "$work/out" | grep -c 'Provider: frec_')" ] || fail "the finder found $places places"

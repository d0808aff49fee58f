#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A program whose probes the kernel refuses is tried again ever more seldom, or when it has changed, as
# each time costs a process; status says why it is not watched. Probes leave descriptors for all else.
# May run beside others.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../spans.sh"

# work_end stands where the file has ended, in a segment that says it is larger
python3 - "$program" <<-'END' || fail "cannot make the program"
	import struct, sys
	with open(sys.argv[1], 'r+b') as f:
	    d = bytearray(f.read())
	    phoff, shoff = struct.unpack_from('<QQ', d, 32)
	    phnum, _, shnum = struct.unpack_from('<HHH', d, 56)
	    for at in range(phoff, phoff + phnum * 56, 56):
	        kind, rights = struct.unpack_from('<II', d, at)
	        if kind == 1 and rights & 1:
	            address, = struct.unpack_from('<Q', d, at + 16)
	            struct.pack_into('<QQ', d, at + 32, 1 << 40, 1 << 40)
	    sections = [struct.unpack_from('<IIQQQQIIQQ', d, shoff + i * 64) for i in range(shnum)]
	    for s in sections:
	        for at in range(s[4], s[4] + s[5], 24) if s[1] == 2 else ():
	            name = sections[s[6]][4] + struct.unpack_from('<I', d, at)[0]
	            if d[name:name + 9] == b'work_end\0':
	                struct.pack_into('<Q', d, at + 8, address + (1 << 39))
	    f.seek(0)
	    f.write(d)
END
write_config <<-END
	[recorder]
	window = 30s
	evidence = 64M
	[trigger pair]
	kind = span
	exe = $program
	begin = work_begin
	end = work_end
	threshold = 200ms
END
start_frecd
within 10 grep -q "trigger pair cannot fire: cannot attach to $program: " "$work/frecd.log" ||
	fail "it is not said: $(cat "$work/frecd.log")"
status "d['warnings']" | grep -q 'cannot attach to' || fail "status does not say it"

# attempts N: so many processes have looked into it; $work/began has when, in ms
attempts() {
	take all
	python3 - "$work/all.json" "$frecd_pid" >"$work/began" <<-'END'
		import json, sys
		began = {}
		for e in map(json.loads, open(sys.argv[1])):
		    if e['type'] == 'process' and e['ppid'] == int(sys.argv[2]) and e['argv'][:1] == ['frecd-finder']:
		        began.setdefault(e['pid'], e['ts'])
		print(*[at // 1000000 for at in sorted(began.values())])
	END
	[ "$(wc -w <"$work/began")" -ge "$1" ]
}
within 20 attempts 2 || fail "it is not tried again: $(cat "$work/began")"
read -r first second _ <"$work/began"
((second - first > 3000)) || fail "it is tried again after $((second - first)) ms"
rm "$program"
cp "$workloads/spans" "$program"
within 20 watches pair || fail "not watched when it is another one: $(cat "$work/frecd.log")"
status "[w for w in d['warnings'] if 'pair' in w]" | grep -q '\[\]' || fail "status still says it"

used=$(find "/proc/$frecd_pid/fd" -type l | wc -l)
stop_frecd
printf '#!/bin/sh\nexec prlimit --nofile=%d:%d "%s" "$@"\n' $((used / 2 + 256)) $((used / 2 + 256)) \
	"$frecd" >"$work/limited"
chmod +x "$work/limited"
frecd=$work/limited
start_frecd
within 10 grep -q "trigger pair cannot fire: cannot attach to $program: the limit of open files" "$work/frecd.log" ||
	fail "a low limit is not said: $(cat "$work/frecd.log")"
take limited

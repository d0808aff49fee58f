#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The man pages are sound, and say what the programs say: keys, their bounds and defaults, kinds,
# options, attributes.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

cd "$(dirname "$0")/../.." || exit 1
pages=(cli/frecctl.1 daemon/frecd.8 daemon/frec.conf.5 lib/frec-snapshot.5)

python3 - <<'END' || fail "pages and programs differ"
import glob
import re
import sys

wrong = 0


def complain(text):
    global wrong
    wrong += 1
    print(text, file=sys.stderr)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def plain(text):
    """The words of a page, one space apart, without macros, colons and full stops."""
    text = re.sub(r"\\&", "", text)
    text = re.sub(r"^\.(It )?(Ic|Cm|Ql|Pa|Ar|Em|Va)\b", "", text, flags=re.M)
    return " ".join(re.sub(r"[.:,;]+(\s|$)", r"\1", text).split())


page = read("daemon/frec.conf.5")
# A key's entry: from its .It Ic to the next one or the end of its list.
entries = {}
for part in re.split(r"^\.Sh ", page, flags=re.M):
    section = re.match(r"\[(\w+)", part)
    for m in re.finditer(r"^\.It Ic (\w+) =.*?(?=^\.It Ic |^\.El\n(?!\.It|,))", part, re.M | re.S):
        if section:
            entries[section[1].lower(), m[1]] = m[0]

keys = read("daemon/config_keys.c")
table = keys[keys.index("config_keys[] = {"):]
table = table[:table.index("\n};")]
known = {}
for row in re.split(r"\n\t(?=[A-Z]+\()", table):
    m = re.match(r'(DAEMON|RECORDER|SNAPSHOTS|TRIGGER)\(\s*"?(\w+)"?,\s*(.*)', row, re.S)
    if m:
        known[m[1].lower(), m[2]] = m[3]
if len(known) != len(re.findall(r"\bparse_|\bconfig_trigger_|\bconfig_exclude\b", table)) or len(known) < 20:
    complain(f"config_keys.c: this test understands only {len(known)} keys")

for key in known.keys() - entries.keys():
    complain(f"frec.conf(5): [{key[0]}] {key[1]} is missing")
for key in entries.keys() - known.keys():
    complain(f"frec.conf(5): [{key[0]}] {key[1]} is no key")

# Bounds as the error messages name them.
define = re.search(r'WANT_DIRECTORY "([^"]*)"', keys)[1]
for key, rest in known.items():
    want = next(iter(re.findall(r'"([^"]*)"', rest)), "") + (define if "WANT_DIRECTORY" in rest else "")
    words = set(plain(entries.get(key, "")).replace("(", " ").replace(")", " ").split())
    for bound in re.findall(r"\b\d+(?:us|ms|s|h|[KMGT%])?(?!\w)", want):
        # 0 is where many ranges begin, of which the page says what it means
        if bound != "0" and bound not in words:
            complain(f"frec.conf(5): [{key[0]}] {key[1]} does not say {bound}, as in '{want}'")

# Defaults as the file that is installed shows them.
shown = read("systemd/frec.conf")
section = None
for line in shown.splitlines():
    header = re.match(r"\[(\w+)\]", line)
    if header:
        section = header[1]
    default = re.match(r"#(\w+) =[ ]*(.*)$", line)
    if line.startswith("# Triggers write"):
        section = None
    if default and section:
        words = re.split(r"\bDefault ", plain(entries.get((section, default[1]), "")))
        value = default[2] or "none"
        if len(words) != 2 or not re.match(re.escape(value) + r"(\s|$)", words[1]):
            complain(f"frec.conf(5): [{section}] {default[1]}: want 'Default: {value}'")
for name, value in re.findall(r"^# (cooldown|hold|max_per_hour|post) = (\w+)", shown, re.M):
    if f"Default {value}" not in plain(entries.get(("trigger", name), "")):
        complain(f"frec.conf(5): [trigger] {name}: want 'Default: {value}'")
for section, name in known:
    if not re.search(rf"^#(?:\s*{name} =|\s{name}\s)", shown, re.M):
        complain(f"systemd/frec.conf: [{section}] {name} is missing")

trigger = read("daemon/config_trigger.c")
names = trigger[trigger.index("kind_names[] = {"):]
for kind in re.findall(r'"(\w+)"', names[:names.index("};")]):
    if not re.search(rf"^\.It Cm {kind}$", page, re.M):
        complain(f"frec.conf(5): kind {kind} is missing")
for name in re.findall(r'"(default-\w+)"', trigger):
    if f"\n.It {name} Ta" not in page:
        complain(f"frec.conf(5): trigger {name} is missing")

daemon = read("daemon/frecd.8")
for option in re.findall(r'\{"([a-z-]+)", (?:no|required)_argument', read("daemon/frecd.c")):
    if not re.search(rf"^\.It Fl.* ?-{option}\b", daemon, re.M):
        complain(f"frecd(8): --{option} is missing")

# Attributes and arguments of a snapshot.
snapshot = read("lib/frec-snapshot.5")
worker = "".join(read(f) for f in glob.glob("daemon/worker_*.c") + ["daemon/shoot.c", "daemon/rescue.c"])
attributes = {re.sub(r"%s$", "NAME", a).replace("%s", "KIND").replace("%u", "N") for a in re.findall(r'"(frec\.[^"]+)"', worker)}
for a in sorted(attributes):
    if not re.search(rf"^\.It Va (?:.* , )?{re.escape(a)}(?: ,|$)", snapshot, re.M):
        complain(f"frec-snapshot(5): attribute {a} is missing")
for a in re.findall(r"\bfrec\.[a-z]+[\w.]*", " ".join(re.findall(r"^\.It Va (.*)$", snapshot, re.M))):
    if a not in attributes:
        complain(f"frec-snapshot(5): attribute {a} is in no snapshot")
for a in sorted(set(re.findall(r'TRACE_(?:UINT|INT|POINTER|STRING)\("(\w+)"', worker))):
    if not re.search(rf"^\.(?:It )?Va (?:.* , )?{a}\b", snapshot, re.M):
        complain(f"frec-snapshot(5): argument {a} is missing")
sys.exit(wrong != 0)
END

command -v mandoc >/dev/null || skip "the texts agree; mandoc, which would look for mistakes in them, is not installed"
for page in "${pages[@]}"; do
	# not where mandoc looks for pages; and how long a line of source is, nobody sees
	mandoc -Tlint -Wstyle "$page" 2>&1 |
		grep -v 'referenced manual not found\|outdated mandoc.db\|input text line longer' && fail "$page"
	mandoc -Tutf8 "$page" >/dev/null || fail "$page"
done
exit 0

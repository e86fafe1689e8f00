#!/usr/bin/env bash
# Times `list` over many services, each with its policy, from a `sandbox serve` that takes 50 ms for
# every request, and counts its instructions and its memory.
# Needs python3 for the clock; valgrind for the counts (left out where it is not installed).
#   cargo build --release && bash benches/fleet.sh
set -euo pipefail
cd "$(dirname "$0")/.."
runaccess=${RUNACCESS:-$PWD/target/release/runaccess}
world=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$world"' EXIT
export HOME=$world CLOUDSDK_CONFIG=$world/gcloud CLOUDSDK_AUTH_ACCESS_TOKEN=t
export CLOUDSDK_CORE_PROJECT=sandbox-project NO_PROXY=127.0.0.1

# serve FOLDER FAULT…: a sandbox of its own; its endpoint for the commands that follow.
serve() {
    local folder=$world/$1 faults=()
    shift
    for fault in "$@"; do faults+=(--fault "$fault"); done
    rm -f "$world/ready" && mkfifo "$world/ready"
    RUNACCESS_HOME=$folder "$runaccess" sandbox serve --port 0 -o json "${faults[@]}" \
        >"$world/ready" 2>/dev/null &
    read -r line <"$world/ready"
    CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN=$(sed 's/.*"endpoint":"\([^"]*\)".*/\1/' <<<"$line")/
    export CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN
}

seed() { RUNACCESS_HOME=$world/$1 "$runaccess" sandbox seed --services "$2" >/dev/null 2>&1; }

# timed SERVICES LABEL ARGUMENTS…: wall time of the best of three, peak memory, exit code, rows.
timed() {
    python3 - "$runaccess" "$@" <<'PY'
import json, os, subprocess, sys, time
program, services, label, arguments = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
best, peak = None, 0
for _ in range(3):
    start = time.monotonic()
    child = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    took = time.monotonic() - start
    best, peak = min(best or took, took), max(peak, usage.ru_maxrss)
rows, unknown = len(json.loads(out)["services"]), len(json.loads(out)["unknown"])
pages = -(-services // 1000)
ideal = (services + pages) / 64 * 0.05
print(f"{label}: {best:.2f} s, {best / ideal:.2f}x of (requests / 64) x 50 ms = {ideal:.2f} s, "
      f"{peak / 1024:.0f} MiB, exit {os.waitstatus_to_exitcode(status)}, {rows} rows, {unknown} unknown")
PY
}

seed thousand 988
seed tenthousand 9988
serve thousand latency=50ms
timed 1000 '1,000 services at 50 ms' list -o json
serve tenthousand latency=50ms
timed 10000 '10,000 services at 50 ms' list -o json
serve thousand latency=50ms 429,rate=0.02,seed=1,retry-after=1 503,rate=0.02,seed=2
timed 1000 'with 2 % 429 and 2 % 503' list -o json
serve thousand latency=50ms unreadable-policy,rate=0.02,seed=3
timed 1000 'with 2 % of the policies unreadable' list -o json

if command -v valgrind >/dev/null; then
    serve thousand
    count() {
        valgrind --tool=callgrind --callgrind-out-file=/dev/null "$runaccess" "$@" 2>&1 >/dev/null |
            sed -n "s/.*Collected : //p" || true
    }
    all=$(count list -o json)
    echo "instructions: $all, $((all / 1000)) a service"
fi

#!/usr/bin/env bash
# Times whole commands beside `true`, curl and gcloud, all against one `sandbox serve`, and counts
# their instructions.
# Needs hyperfine and curl; gcloud and valgrind are left out where they are not installed.
#   cargo build --release && bash benches/commands.sh
set -euo pipefail
cd "$(dirname "$0")/.."
runaccess=${RUNACCESS:-$PWD/target/release/runaccess}
world=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$world"' EXIT
export HOME=$world RUNACCESS_HOME=$world/state CLOUDSDK_CONFIG=$world/gcloud
mkfifo "$world/ready"
"$runaccess" sandbox serve --port 0 -o json >"$world/ready" 2>/dev/null &
server=$!
read -r line <"$world/ready"
endpoint=$(sed 's/.*"endpoint":"\([^"]*\)".*/\1/' <<<"$line")

export CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN=$endpoint/ CLOUDSDK_AUTH_ACCESS_TOKEN=t
export CLOUDSDK_CORE_PROJECT=sandbox-project CLOUDSDK_CORE_DISABLE_PROMPTS=1
export CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=true CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=true
caller=runner@sandbox-project.iam.gserviceaccount.com
service=$endpoint/v2/projects/sandbox-project/locations/us-central1/services/hello

hyperfine -N --warmup 10 --runs 200 \
    -n 'true' true \
    -n 'runaccess --version' "$runaccess --version" \
    -n 'curl, the same service' "curl -s -o /dev/null -H 'Authorization: Bearer t' $service" \
    -n 'runaccess url us-central1/hello' "$runaccess url us-central1/hello" \
    -n 'runaccess url hello' "$runaccess url hello" \
    -n 'runaccess policy us-central1/hello' "$runaccess policy us-central1/hello" \
    -n 'runaccess grant, unchanged' "$runaccess grant ana@example.com us-central1/orders" \
    -n 'runaccess list, 12 services' "$runaccess list" \
    -n 'runaccess graph, 12 services' "$runaccess graph" \
    -n 'runaccess domains' "$runaccess domains" \
    -n 'runaccess policy jobs/us-central1/nightly' "$runaccess policy jobs/us-central1/nightly" \
    -n 'runaccess connect, unchanged' "$runaccess connect $caller us-central1/orders --code none" \
    --export-json "$world/times.json" >/dev/null 2>&1
# What changes something, each time anew: with the journal, without, and taken back.
undone="$runaccess revoke dev@example.com us-central1/hello --no-journal"
done="$runaccess grant dev@example.com us-central1/hello"
hyperfine -N --warmup 5 --runs 100 --prepare "$undone" \
    -n 'runaccess grant, journalled' "$done" \
    -n 'runaccess grant --no-journal' "$done --no-journal" \
    --export-json "$world/changes.json" >/dev/null 2>&1
$undone >/dev/null 2>&1
hyperfine -N --warmup 5 --runs 100 --prepare "$done" -n 'runaccess undo' "$runaccess undo --yes" \
    --export-json "$world/undo.json" >/dev/null 2>&1
hyperfine -N --warmup 5 --runs 100 -n 'runaccess history, 50 of some 300' "$runaccess history" \
    --export-json "$world/history.json" >/dev/null 2>&1
python3 - "$world"/times.json "$world"/changes.json "$world"/undo.json "$world"/history.json <<'PY'
import json, sys
results = {r["command"]: r["mean"] * 1000
           for name in sys.argv[1:] for r in json.load(open(name))["results"]}
curl = results["curl, the same service"]
for command, mean in results.items():
    print(f"{command}: {mean:.1f} ms, {mean / curl:.2f} of curl")
print(f"--version beyond true: {results['runaccess --version'] - results['true']:.1f} ms")
PY
if command -v valgrind >/dev/null; then
    count() {
        valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 >/dev/null |
            sed -n 's/.*Collected : //p' || true
    }
    echo "instructions: --version $(count "$runaccess" --version)"
    echo "instructions: url us-central1/hello $(count "$runaccess" url us-central1/hello)"
    echo "instructions: grant, unchanged $(count "$runaccess" grant ana@example.com us-central1/orders)"
    echo "instructions: curl $(count curl -s -o /dev/null -H 'Authorization: Bearer t' "$service")"
fi
if command -v gcloud >/dev/null; then
    export http_proxy=$endpoint
    hyperfine -N --warmup 1 --runs 5 \
        -n 'gcloud --version' 'gcloud --version' \
        -n 'gcloud run services describe' 'gcloud run services describe hello --region us-central1' \
        --export-json "$world/gcloud.json" >/dev/null 2>&1
    python3 -c "
import json, sys
for r in json.load(open(sys.argv[1]))['results']: print(f\"{r['command']}: {r['mean'] * 1000:.0f} ms\")
" "$world/gcloud.json"
fi

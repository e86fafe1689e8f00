#!/usr/bin/env bash
# How many round trips `explain`, `who` and `make-public` take of a service below a project, two folders and
# an organisation, where every answer of an API comes 50 ms late; a round trip is what curl takes for
# one.
# Needs hyperfine, curl and python3.
#   cargo build --release && bash benches/explain.sh
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
call() { # METHOD PATH BODY
    curl -sf -X "$1" -H 'Authorization: Bearer t' -H 'Content-Type: application/json' "$endpoint/$2" -d "$3"
}

folder=$(curl -sf -H 'Authorization: Bearer t' "$endpoint/v3/folders?parent=organizations/433637338589" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["folders"][0]["name"])')
inner=$(call POST v3/folders '{"parent":"'"$folder"'","displayName":"ledgers"}' |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["response"]["name"])')
call POST v3/projects '{"projectId":"new-ledger","parent":"'"$inner"'"}' >/dev/null
call POST 'v2/projects/new-ledger/locations/us-central1/services?serviceId=book' \
    '{"template":{"containers":[{"image":"i"}]}}' >/dev/null
call POST sandbox/faults '{"faults":["latency=50ms"]}' >/dev/null

export CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN=$endpoint/ CLOUDSDK_AUTH_ACCESS_TOKEN=t
export CLOUDSDK_CORE_PROJECT=new-ledger
service=$endpoint/v2/projects/new-ledger/locations/us-central1/services/book
hyperfine -N --warmup 2 --runs 20 --ignore-failure \
    -n 'curl, one request' "curl -s -o /dev/null -H 'Authorization: Bearer t' $service" \
    -n 'explain a user' "$runaccess explain dev@example.com us-central1/book" \
    -n 'who' "$runaccess who us-central1/book" \
    -n 'make-public --dry-run' "$runaccess make-public us-central1/book --dry-run" \
    -n 'make-public --dry-run --no-preflight' "$runaccess make-public us-central1/book --dry-run --no-preflight" \
    --export-json "$world/times.json" >/dev/null 2>&1
python3 - "$world/times.json" <<'PY'
import json, sys
results = {r["command"]: r["mean"] * 1000 for r in json.load(open(sys.argv[1]))["results"]}
curl = results["curl, one request"]
for command, mean in results.items():
    print(f"{command}: {mean:.0f} ms, {mean / curl:.2f} round trips")
PY

#!/usr/bin/env bash
# Loads `sandbox serve` with get, getIamPolicy and setIamPolicy over 1, 10,000 and 100,000 services,
# and times its start to the first answer; beside it nginx with the same service as a file.
# Needs wrk, curl and python3; nginx is left out where it is not installed.
#   cargo build --release && bash benches/sandbox.sh
set -euo pipefail
cd "$(dirname "$0")/.."
runaccess=${RUNACCESS:-$PWD/target/release/runaccess}
world=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$world"' EXIT
export HOME=$world
prefix=/v2/projects/sandbox-project/locations

cat >"$world/load.lua" <<'LUA'
-- ARGUMENTS: what to do, how many services there are, their regions.
local what, count, regions = nil, 1, {}
function init(arguments)
    what, count = arguments[1], tonumber(arguments[2])
    for region in arguments[3]:gmatch("[^,]+") do regions[#regions + 1] = region end
    wrk.headers["Authorization"] = "Bearer t"
    wrk.headers["Content-Type"] = "application/json"
    math.randomseed(7)
end
function request()
    local name, region = "hello", "us-central1"
    if count > 1 then
        local number = math.random(count)
        name, region = string.format("svc-%05d", number), regions[number % #regions + 1]
    end
    local path = "/v2/projects/sandbox-project/locations/" .. region .. "/services/" .. name
    if what == "get" then return wrk.format("GET", path) end
    if what == "getIamPolicy" then return wrk.format("GET", path .. ":getIamPolicy") end
    local member = string.format('"user:u%d@example.com"', math.random(1000))
    local body = '{"policy":{"bindings":[{"role":"roles/run.invoker","members":[' .. member .. "]}]}}"
    return wrk.format("POST", path .. ":setIamPolicy", nil, body)
end
LUA

for count in 1 10000 100000; do
    export RUNACCESS_HOME=$world/$count
    if [ "$count" -gt 1 ]; then "$runaccess" sandbox seed --services "$count" >/dev/null 2>&1; fi
    # Start to first answer: best of five, in milliseconds.
    python3 - "$runaccess" "$count" <<'PY'
import json, subprocess, sys, time, urllib.request
best = None
for _ in range(5):
    start = time.monotonic()
    serve = subprocess.Popen([sys.argv[1], "sandbox", "serve", "--port", "0", "-o", "json"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    endpoint = json.loads(serve.stdout.readline())["endpoint"]
    path = "/v2/projects/sandbox-project/locations/us-central1/services/hello"
    request = urllib.request.Request(endpoint + path, headers={"Authorization": "Bearer t"})
    urllib.request.urlopen(request).read()
    took = (time.monotonic() - start) * 1000
    best = min(best or took, took)
    serve.terminate()
    serve.wait()
print(f"{int(sys.argv[2]):,} services: first answer after {best:.0f} ms")
PY
    rm -f "$world/ready" && mkfifo "$world/ready"
    "$runaccess" sandbox serve --port 0 -o json >"$world/ready" 2>/dev/null &
    server=$!
    read -r line <"$world/ready"
    endpoint=$(sed 's/.*"endpoint":"\([^"]*\)".*/\1/' <<<"$line")
    regions=$(curl -s -H 'Authorization: Bearer t' \
        "$endpoint/v1/projects/sandbox-project/locations?fields=locations/locationId" |
        python3 -c 'import json,sys; print(",".join(l["locationId"] for l in json.load(sys.stdin)["locations"]))')
    if [ "$count" = 1 ] && command -v nginx >/dev/null; then
        mkdir -p "$world/nginx"
        curl -s -H 'Authorization: Bearer t' "$endpoint$prefix/us-central1/services/hello" >"$world/nginx/hello"
        # Its worker must be able to read the folder of whoever runs this.
        user=$([ "$(id -u)" = 0 ] && echo 'user root;' || true)
        cat >"$world/nginx.conf" <<CONF
$user daemon off; worker_processes 1; pid $world/nginx.pid; error_log /dev/null;
events { worker_connections 256; }
http { access_log off; client_body_temp_path $world; proxy_temp_path $world; fastcgi_temp_path $world;
    uwsgi_temp_path $world; scgi_temp_path $world; keepalive_requests 1000000;
    server { listen 127.0.0.1:18787; root $world/nginx; } }
CONF
        nginx -c "$world/nginx.conf" 2>/dev/null &
        until curl -s -o /dev/null http://127.0.0.1:18787/hello; do :; done
        wrk -t1 -c32 -d5s --latency http://127.0.0.1:18787/hello |
            awk '/99%/ {p99 = $2} /Requests\/sec/ {rps = $2}
                END {printf "nginx, one worker, the same as a file: %.0f requests a second, p99 %s\n", rps, p99}'
        kill "$(cat "$world/nginx.pid")"
    fi
    for what in get getIamPolicy setIamPolicy; do
        wrk -t1 -c32 -d5s --latency -s "$world/load.lua" "$endpoint" -- "$what" "$count" "$regions" |
            awk -v what="$what" -v count="$count" '
                /99%/ {p99 = $2} /Requests\/sec/ {rps = $2} /Non-2xx/ {bad = ", " $0}
                END {printf "%d services, %s: %.0f requests a second, p99 %s%s\n", count, what, rps, p99, bad}'
    done
    kill "$server" && wait "$server" 2>/dev/null || true
done

#!/usr/bin/env bash
# What the sandbox's front end decides a second for a valid token, with signatures remembered and
# not, beside nginx with a file; and what `runaccess curl` adds to plain curl. Everything on loopback.
# Needs wrk, hyperfine, curl and python3; nginx is left out where it is not installed.
#   cargo build --release && bash benches/calling.sh
set -euo pipefail
cd "$(dirname "$0")/.."
runaccess=${RUNACCESS:-$PWD/target/release/runaccess}
world=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$world"' EXIT
export HOME=$world RUNACCESS_HOME=$world/state NO_GCE_CHECK=true
host=hello-k4qx7v2nza-uc.a.run.app
robot=ci@sandbox-project.iam.gserviceaccount.com

# Starts `sandbox serve` with these options; its port is in $port.
serve() {
    rm -f "$world/line" && mkfifo "$world/line"
    "$runaccess" sandbox serve --port 0 -o json "$@" >"$world/line" 2>/dev/null &
    port=$(python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["endpoint"].rsplit(":", 1)[1])' <"$world/line")
}
load() { # NAME URL HEADER…
    local name=$1 url=$2 && shift 2
    local headers=() && for header in "$@"; do headers+=(-H "$header"); done
    wrk -t1 -c32 -d5s --latency "${headers[@]}" "$url" >"$world/out"
    awk -v name="$name" '/99%/ {p99 = $2} /Non-2xx/ {bad = " BAD " $0} /Requests\/sec/ {printf "%-44s %9.0f/s  p99 %s%s\n", name, $2, p99, bad}' "$world/out"
}

"$runaccess" --sandbox grant "$robot" hello >/dev/null 2>&1
token=$("$runaccess" --sandbox --account "$robot" token "https://$host" 2>/dev/null)
if command -v nginx >/dev/null; then
    mkdir -p "$world/www" && echo '{}' >"$world/www/index.html"
    # Its worker must be able to read the folder of whoever runs this.
    user=$([ "$(id -u)" = 0 ] && echo 'user root;' || true)
    printf "$user"' daemon off; worker_processes 1; pid %s/pid; error_log /dev/null;\nevents {}\nhttp { access_log off; keepalive_requests 1000000; server { listen 127.0.0.1:18999; root %s/www; } }\n' "$world" "$world" >"$world/nginx.conf"
    nginx -c "$world/nginx.conf" 2>/dev/null &
    sleep 1
    load "nginx, one worker, a file" http://127.0.0.1:18999/
fi
for cache in on off; do
    serve --set verified-token-cache=$cache
    load "a valid token, signatures remembered: $cache" "http://127.0.0.1:$port/" "Host: $host" "Authorization: Bearer $token"
    if [ $cache = on ]; then
        load "a public service, no token" "http://127.0.0.1:$port/" "Host: storefront-k4qx7v2nza-uc.a.run.app"
    fi
    kill %% 2>/dev/null || true
    wait %% 2>/dev/null || true
done

serve
user='{"type":"authorized_user","client_id":"32555940559.apps.googleusercontent.com","client_secret":"s","refresh_token":"1//sandbox:you@example.com","token_uri":"http://127.0.0.1:'$port'/token"}'
echo "$user" >"$world/user.json"
export GOOGLE_APPLICATION_CREDENTIALS=$world/user.json CLOUDSDK_CORE_PROJECT=sandbox-project
export CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN=http://127.0.0.1:$port/
mine=$("$runaccess" token)
echo "header = \"Authorization: Bearer $mine\"" >"$world/curlrc"
hyperfine --warmup 10 --runs 200 -N --export-json "$world/times.json" \
    -n "curl, with the token at hand" "curl -s -o /dev/null --noproxy * --config $world/curlrc --connect-to $host:80:127.0.0.1:$port http://$host/" \
    -n "runaccess curl URL, token kept" "$runaccess curl https://$host -s -o /dev/null" \
    -n "runaccess curl NAME, token kept" "$runaccess curl us-central1/hello -s -o /dev/null" \
    -n "runaccess token URL, token kept" "$runaccess token https://$host" \
    -n "runaccess curl URL, no token kept" "$runaccess --no-token-cache curl https://$host -s -o /dev/null" \
    -n "runaccess whoami" "$runaccess whoami" >/dev/null 2>&1
python3 - "$world/times.json" <<'PY'
import json, sys
rows = json.load(open(sys.argv[1]))["results"]
base = rows[0]["mean"]
for row in rows:
    print(f"{row['command']:<36} {row['mean'] * 1000:6.1f} ms  {row['mean'] / base:5.2f}")
PY

#!/usr/bin/env bash
# What `runaccess proxy` passes on a second, beside nginx (one worker, `proxy_pass` with keepalive)
# and direct access to the same upstream; memory with idle connections and open streams; how soon
# after its start the first answer is there. Everything on loopback; the upstream is nginx too.
# Needs nginx, wrk, curl and python3.
#   cargo build --release && bash benches/proxy.sh
set -euo pipefail
cd "$(dirname "$0")/.."
runaccess=${RUNACCESS:-$PWD/target/release/runaccess}
seconds=${SECONDS_EACH:-8}
world=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$world"' EXIT
export HOME=$world RUNACCESS_HOME=$world/state NO_GCE_CHECK=true
ulimit -n "$(ulimit -Hn)"
upstream=18970 slow=18971 between=18972 ours=18973

mkdir -p "$world/www"
printf '{"answer":"small"}' >"$world/www/small"
head -c 65536 /dev/urandom >"$world/www/large"
user=$([ "$(id -u)" = 0 ] && echo 'user root;' || true)
temporary="client_body_temp_path $world; proxy_temp_path $world; fastcgi_temp_path $world;
    uwsgi_temp_path $world; scgi_temp_path $world;"
nginx_with() { # NAME CONFIGURATION
    cat >"$world/$1.conf" <<CONF
$user daemon off; worker_processes 1; pid $world/$1.pid; error_log /dev/null; worker_rlimit_nofile 20000;
events { worker_connections 8192; }
http { access_log off; $temporary keepalive_requests 100000000; keepalive_timeout 600s; $2 }
CONF
    nginx -c "$world/$1.conf" 2>/dev/null &
}
nginx_with upstream "server { listen 127.0.0.1:$upstream backlog=4096; root $world/www; }"
nginx_with between "upstream service { server 127.0.0.1:$upstream; keepalive 512; keepalive_requests 100000000; }
    upstream slow { server 127.0.0.1:$slow; }
    server { listen 127.0.0.1:$between backlog=4096;
        location / { proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection '';
            proxy_set_header Host service.example; proxy_set_header X-Serverless-Authorization 'Bearer x.y.z'; }
        location /stream { proxy_pass http://slow; proxy_http_version 1.1; proxy_set_header Connection '';
            proxy_buffering off; proxy_read_timeout 600s; } }"
# A token that ends tomorrow; nobody checks it here.
python3 - "$world/token" <<'PY'
import base64, json, sys, time
part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
claims = {"aud": "https://service.example", "iat": int(time.time()), "exp": int(time.time()) + 86400}
open(sys.argv[1], "w").write(f'{part({"alg": "RS256", "typ": "JWT"})}.{part(claims)}.{"s" * 342}')
PY
# Answers that never end: a byte at once, another each time its client is asked for one.
cat >"$world/slow.py" <<'PY'
import asyncio, sys
async def serve(reader, writer):
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n8\r\ndata: 1\n\r\n")
            await writer.drain()
            await asyncio.sleep(600)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await server.serve_forever()
asyncio.run(main())
PY
python3 "$world/slow.py" $slow &
proxy_to() { # PORT OF THE UPSTREAM
    "$runaccess" proxy service --url "http://127.0.0.1:$1" --id-token-file "$world/token" --port $ours --log none >/dev/null 2>&1 &
    proxy=$!
    until (exec 3<>/dev/tcp/127.0.0.1/$ours) 2>/dev/null; do sleep 0.05; done
}
until curl -s -o /dev/null http://127.0.0.1:$upstream/small && curl -s -o /dev/null http://127.0.0.1:$between/small; do :; done

load() { # NAME PORT CONNECTIONS PATH
    wrk -t1 -c"$3" -d"${seconds}s" --latency "http://127.0.0.1:$2/$4" >"$world/out"
    awk -v name="$1" '/99%/ {p99 = $2} /Non-2xx|Socket errors/ {bad = " BAD " $0} /Requests\/sec/ {printf "  %-10s %9.0f/s  p99 %-9s%s\n", name, $2, p99, bad}' "$world/out"
}
proxy_to $upstream
for case in "32 small" "256 small" "32 large"; do
    read -r connections path <<<"$case"
    echo "$connections connections, $path answers:"
    load direct $upstream "$connections" "$path"
    load nginx $between "$connections" "$path"
    load runaccess $ours "$connections" "$path"
done
kill $proxy && wait $proxy 2>/dev/null || true

# Memory: resident, of the process that passes requests on.
cat >"$world/hold.py" <<'PY'
import socket, sys, time
port, count, path, pid = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
held = []
for _ in range(count):
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
    answer = b""
    while b"small" not in answer and b"data: 1" not in answer:
        answer += client.recv(65536)
    held.append(client)
time.sleep(1)
kib = next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))
print(f"{kib / 1024:.1f} MiB")
PY
worker() { pgrep -P "$(cat "$world/between.pid")" | head -1; }
proxy_to $upstream
echo "1,000 idle connections: nginx $(python3 "$world/hold.py" $between 1000 /small "$(worker)"), runaccess $(python3 "$world/hold.py" $ours 1000 /small $proxy)"
kill $proxy && wait $proxy 2>/dev/null || true
proxy_to $slow
echo "1,000 open streams: nginx $(python3 "$world/hold.py" $between 1000 /stream "$(worker)"), runaccess $(python3 "$world/hold.py" $ours 1000 /stream $proxy)"
kill $proxy && wait $proxy 2>/dev/null || true

# The first answer: from the start of the process, best of ten and the middle one.
python3 - "$runaccess" $upstream $ours "$world/token" <<'PY'
import socket, subprocess, sys, time
runaccess, upstream, port, token = sys.argv[1:]
def first(arguments):
    start = time.monotonic()
    process = subprocess.Popen([runaccess, *arguments, "--port", port, "--log", "none"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            client = socket.create_connection(("127.0.0.1", int(port)))
            break
        except ConnectionRefusedError:
            time.sleep(0.0002)
    client.sendall(f"GET /small HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n".encode())
    client.recv(4096)
    took = (time.monotonic() - start) * 1000
    process.kill()
    process.wait()
    return took
sandbox = ["--sandbox", "proxy", "us-central1/storefront"]
direct = ["proxy", "service", "--url", f"http://127.0.0.1:{upstream}", "--id-token-file", token]
for name, arguments in [("token in a file, no API", direct), ("sandbox, one look-up, token kept", sandbox)]:
    times = sorted(first(arguments) for _ in range(11))
    print(f"first answer, {name}: {times[0]:.1f} ms at best, {times[5]:.1f} ms in the middle")
PY

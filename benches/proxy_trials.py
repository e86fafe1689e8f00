#!/usr/bin/env python3
"""What `runaccess proxy` does under trials that are too large for the tests: a body of 2 GiB each way, a thousand
open streams, a thousand idle and five hundred slow clients, tokens that end while streams are open, a service that
is restarted. Prints figures; ends with 1 where something is not as it should be. Needs nothing but Python:

    cargo build --release && python3 benches/proxy_trials.py
"""

import base64
import json
import os
import pathlib
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time

RUNACCESS = os.environ.get("RUNACCESS", str(pathlib.Path(__file__).parent.parent / "target/release/runaccess"))
WORLD = tempfile.TemporaryDirectory()
ENV = {"HOME": WORLD.name, "RUNACCESS_HOME": f"{WORLD.name}/state", "NO_GCE_CHECK": "1", "PATH": os.environ["PATH"]}
PIECE = bytes(1 << 20)
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def ready(*arguments, **env):
    """Starts the program, and reads the document that it prints when it serves."""
    process = subprocess.Popen([RUNACCESS, *arguments, "-o", "json"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True, env={**ENV, **env})
    text = ""
    for line in process.stdout:
        text += line
        try:
            return process, json.loads(text)
        except ValueError:
            continue
    sys.exit(f"it did not start: {text}")


def memory(process, what="VmHWM"):
    """Resident memory at its highest, in MiB."""
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(what)) / 1024


class App:
    """An application over HTTP/1.1 that sends and takes what it is asked to."""

    def __init__(self, port=0):
        self.listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self.port = self.listener.getsockname()[1]
        self.open = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(client)
            threading.Thread(target=self.answer, args=(client,), daemon=True).start()

    def stop(self):
        # Closed alone, it would go on for whoever waits in it.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for client in self.open:
            client.close()

    def answer(self, client):
        try:
            file = client.makefile("rb")
            while line := file.readline():
                headers = {}
                while (header := file.readline().strip()):
                    name, _, value = header.decode().partition(":")
                    headers[name.lower()] = value.strip()
                path = line.split()[1].decode()
                taken, left = 0, int(headers.get("content-length", 0))
                while left:
                    left -= len(chunk := file.read(min(left, 1 << 16)))
                    taken += len(chunk)
                if path.startswith("/down/"):
                    size = int(path.split("/")[2])
                    client.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
                    for _ in range(size // len(PIECE)):
                        client.sendall(PIECE)
                elif path == "/stream":
                    client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
                    time.sleep(600)
                else:
                    body = str(taken).encode()
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        except OSError:
            client.close()


def connect(port, head="", *, to_end=False):
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    if head:
        client.sendall(f"{head} HTTP/1.1\r\nHost: localhost:{port}\r\n".encode())
    if to_end:
        client.sendall(b"\r\n")
    return client


def until(client, end):
    answer = b""
    while end not in answer:
        if not (more := client.recv(65536)):
            raise OSError("it ended")
        answer += more
    return answer


def quick(port):
    """How long a plain request takes, in milliseconds."""
    start = time.monotonic()
    until(connect(port, "GET /", to_end=True), b"\r\n\r\n0")
    return (time.monotonic() - start) * 1000


def direct(app):
    token = f"{WORLD.name}/token"
    with open(token, "w") as file:
        claims = {"iat": int(time.time()), "exp": int(time.time()) + 86400}
        file.write(f'{part({"alg": "RS256"})}.{part(claims)}.c2ln')
    process, said = ready("proxy", "app", "--url", f"http://127.0.0.1:{app.port}", "--id-token-file", token, "--port", "0")
    return process, int(said["address"].rsplit(":", 1)[1])


def bodies(app):
    process, port = direct(app)
    size, start = 2 << 30, memory(process)
    began = time.monotonic()
    client = connect(port, "POST /up")
    client.sendall(f"Content-Length: {size}\r\n\r\n".encode())
    for _ in range(size // len(PIECE)):
        client.sendall(PIECE)
    assert until(client, str(size).encode())
    up, began = time.monotonic() - began, time.monotonic()
    client = connect(port, f"GET /down/{size}", to_end=True)
    got = len(until(client, b"\r\n\r\n").partition(b"\r\n\r\n")[2])
    while got < size:
        got += len(client.recv(1 << 20))
    down = time.monotonic() - began
    print(f"2 GiB up in {up:.1f} s, down in {down:.1f} s; memory {start:.0f} MiB before, {memory(process):.0f} MiB at most")
    process.kill()


def many(app):
    process, port = direct(app)
    streams = [connect(port, "GET /stream", to_end=True) for _ in range(1000)]
    for client in streams:
        until(client, b"ab\r\n")
    print(f"1,000 open streams: {memory(process, 'VmRSS'):.0f} MiB, another request in {quick(port):.1f} ms")
    process.kill()
    process, port = direct(app)
    idle = [connect(port) for _ in range(1000)]
    slow = [connect(port, "GET /") for _ in range(500)]
    dropped, began = 0, time.monotonic()
    worst = 0
    while time.monotonic() - began < 20:
        for client in slow:
            try:
                client.sendall(b"X")
            except OSError:
                pass
        worst = max(worst, quick(port))
        time.sleep(1)
    for client in slow:
        client.settimeout(1)
        try:
            dropped += client.recv(1) == b""
        except TimeoutError:
            pass
        except OSError:
            dropped += 1
    print(f"1,000 idle and 500 slow clients: {memory(process):.0f} MiB, others answered within {worst:.0f} ms; "
          f"{dropped} of the slow dropped after 20 s")
    assert dropped == 500 and len(idle) == 1000
    process.kill()


def restarts(app):
    process, port = direct(app)
    assert quick(port) > 0
    app.stop()
    began = time.monotonic()
    answer = until(connect(port, "GET /", to_end=True), b"reached")
    assert answer.startswith(b"HTTP/1.1 502"), answer
    took = (time.monotonic() - began) * 1000
    again = App(app.port)
    assert quick(port) > 0
    print(f"a service that is down: 502 after {took:.1f} ms; back at once when it is up")
    process.kill()
    return again


def tokens():
    """Tokens of three seconds, for fifteen: requests all along, and a stream."""
    sandbox, said = ready("sandbox", "serve", "--port", "0", "--set", "token-lifetime=3s")
    user = f"{WORLD.name}/user.json"
    with open(user, "w") as file:
        json.dump({"type": "authorized_user", "client_id": "32555940559.apps.googleusercontent.com", "client_secret": "s",
                   "refresh_token": "1//sandbox:you@example.com", "token_uri": said["endpoint"] + "/token"}, file)
    process, served = ready("proxy", "hello", "--port", "0", CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN=said["endpoint"],
                            CLOUDSDK_CORE_PROJECT="sandbox-project", GOOGLE_APPLICATION_CREDENTIALS=user)
    port = int(served["address"].rsplit(":", 1)[1])
    stream = connect(port, "GET /")
    stream.sendall(b"Accept: text/event-stream\r\n\r\n")
    good = bad = 0
    ends = time.monotonic() + 15
    while time.monotonic() < ends:
        answer = until(connect(port, "GET /", to_end=True), b"\r\n\r\n")
        good, bad = good + (b" 200 " in answer), bad + (b" 200 " not in answer)
        time.sleep(0.02)
    until(stream, b"data: 14\n\n")
    print(f"tokens of 3 s, for 15 s: {good} requests let in, {bad} not; a stream was open all along")
    assert bad == 0
    process.kill()
    sandbox.kill()


app = App()
bodies(app)
many(app)
app = restarts(app)
tokens()

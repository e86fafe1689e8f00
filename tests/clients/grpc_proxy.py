"""gRPC's own client and server with `runaccess proxy` and the sandbox's front end between them.

RUNACCESS is the program; it is run in the environment of this script.
"""

import concurrent.futures
import json
import os
import subprocess

import grpc

RUNACCESS = os.environ["RUNACCESS"]


class Service(grpc.GenericRpcHandler):
    """Messages are bytes; what a call does is its name."""

    def service(self, details):
        kinds = {
            "/t/Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "/t/Fails": grpc.unary_unary_rpc_method_handler(self.fails),
            "/t/Counts": grpc.unary_stream_rpc_method_handler(self.counts),
            "/t/Joins": grpc.stream_unary_rpc_method_handler(self.joins),
            "/t/Talks": grpc.stream_stream_rpc_method_handler(self.talks),
        }
        return kinds.get(details.method)

    def unary(self, request, context):
        given = dict(context.invocation_metadata())
        assert given["x-serverless-authorization"].startswith("Bearer "), given
        context.send_initial_metadata((("x-first", given.get("x-mine", "")),))
        context.set_trailing_metadata((("x-last-bin", b"\x00\xff"),))
        return request

    def fails(self, request, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "nothing is here: ü")

    def counts(self, request, context):
        for number in range(int(request)):
            yield str(number).encode()

    def joins(self, requests, context):
        return b"".join(requests)

    def talks(self, requests, context):
        for request in requests:
            yield request.upper()


def ready(process):
    """The document that a process prints when it serves."""
    text = ""
    for line in process.stdout:
        text += line
        try:
            return json.loads(text)
        except ValueError:
            continue
    raise SystemExit(f"ended: {text}")


def start(*arguments, **variables):
    return subprocess.Popen([RUNACCESS, *arguments], stdout=subprocess.PIPE, text=True,
                            env={**os.environ, **variables})


server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=64))
server.add_generic_rpc_handlers((Service(),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
sandbox = start("sandbox", "serve", "--port", "0", "-o", "json", "--backend", f"chat=http://127.0.0.1:{port}")
endpoint = ready(sandbox)["endpoint"]
user = os.path.join(os.environ["HOME"], "user.json")
with open(user, "w") as file:
    json.dump({"type": "authorized_user", "client_id": "32555940559.apps.googleusercontent.com", "client_secret": "s",
               "refresh_token": "1//sandbox:you@example.com", "token_uri": f"{endpoint}/token"}, file)
proxy = start("proxy", "chat", "--port", "0", "-o", "json", CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN=f"{endpoint}/",
              CLOUDSDK_CORE_PROJECT="sandbox-project", GOOGLE_APPLICATION_CREDENTIALS=user)
try:
    channel = grpc.insecure_channel(ready(proxy)["address"].removeprefix("http://"))
    unary = channel.unary_unary("/t/Unary")
    answer, call = unary.with_call(b"hello", metadata=(("x-mine", "1"),), timeout=20)
    assert answer == b"hello"
    assert dict(call.initial_metadata())["x-first"] == "1"
    assert dict(call.trailing_metadata())["x-last-bin"] == b"\x00\xff"
    large = os.urandom(3 * 1024 * 1024)
    assert unary(large, timeout=20) == large
    try:
        channel.unary_unary("/t/Fails")(b"", timeout=20)
        raise SystemExit("it did not fail")
    except grpc.RpcError as error:
        assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "nothing is here: ü")
    assert list(channel.unary_stream("/t/Counts")(b"500", timeout=20)) == [str(n).encode() for n in range(500)]
    assert channel.stream_unary("/t/Joins")(iter([b"a", b"b", b"c"]), timeout=20) == b"abc"
    # Each is sent only when the answer to the one before has come.
    answers = []

    def questions():
        for number in range(20):
            while len(answers) < number:
                pass
            yield f"word {number}".encode()

    for answer in channel.stream_stream("/t/Talks")(questions(), timeout=20):
        answers.append(answer)
    assert answers == [f"WORD {number}".encode() for number in range(20)]
    calls = [unary.future(str(n).encode(), timeout=20) for n in range(300)]
    assert [call.result() for call in calls] == [str(n).encode() for n in range(300)]
    proxy.terminate()
    assert proxy.wait() == 0
finally:
    proxy.kill()
    sandbox.kill()
    server.stop(0)

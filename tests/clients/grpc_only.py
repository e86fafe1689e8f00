"""A client that speaks gRPC alone (google-cloud-run's asynchronous one) is told so by ENDPOINT."""

import asyncio
import os

import grpc
from google.api_core import exceptions
from google.cloud import run_v2
from google.cloud.run_v2.services.services.transports import ServicesGrpcAsyncIOTransport

HOST = os.environ["ENDPOINT"].removeprefix("http://")


async def main():
    channel = grpc.aio.insecure_channel(HOST)
    client = run_v2.ServicesAsyncClient(transport=ServicesGrpcAsyncIOTransport(channel=channel))
    try:
        await client.get_service(name="projects/p/locations/r/services/s")
    except exceptions.MethodNotImplemented as error:
        assert "REST" in error.message, error.message
    else:
        raise AssertionError("not refused")


asyncio.run(main())
print("grpc: refused in its own form, with what to do")

"""Envoy's stream about one request → what it is answered, over a real gRPC server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import pytest

from iiab_lab.engines.embedded.activator.reporter import Reporter
from iiab_lab.engines.embedded.activator.service import PROTO, handlers
from iiab_lab.engines.embedded.activator.throttler import Throttler
from iiab_lab.engines.embedded.objects.capacity import Capacity

METHOD = "/envoy.service.ext_proc.v3.ExternalProcessor/Process"
NAMES = {"knative-serving-namespace": "here", "knative-serving-revision": "iris-00001"}


def headers(**named: str) -> Any:
    listed = [PROTO.HeaderValue(key=name, raw_value=value.encode()) for name, value in named.items()]
    return PROTO.HttpHeaders(headers=PROTO.HeaderMap(headers=listed))


REQUEST = PROTO.ProcessingRequest(request_headers=headers(**NAMES))
RESPONSE = PROTO.ProcessingRequest(response_headers=headers(**{":status": "403"}))


def exchanged(throttler: Throttler, stats: list[Any], *sent: Any) -> Sequence[Any]:
    """What comes for each message, one after the other."""

    async def play() -> Sequence[Any]:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((handlers(throttler, Reporter(stats.extend)),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with asyncio.timeout(20), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.stream_stream(
                METHOD, PROTO.ProcessingRequest.SerializeToString, PROTO.ProcessingResponse.FromString
            )()
            answers = []
            for message in sent:
                await call.write(message)
                answers.append(await call.read())
            await call.done_writing()
        await server.stop(None)
        return answers

    return asyncio.run(play())


@pytest.mark.parametrize("backends", [(), ("127.0.0.1:1",)])
def test_an_answer_of_a_filter_before_it_goes_out_and_wakes_nobody(backends: tuple[str, ...]) -> None:
    throttler, stats = Throttler(), list[Any]()
    throttler["here/iris-00001"].update(Capacity(limit=1, backends=backends))
    (answer,) = exchanged(throttler, stats, RESPONSE)
    assert answer.HasField("response_headers") and stats == []


def test_a_request_goes_to_a_pod_and_its_end_frees_the_place() -> None:
    throttler, stats = Throttler(), list[Any]()
    revision = throttler["here/iris-00001"]
    revision.update(Capacity(limit=1, backends=("127.0.0.1:1",)))
    onward, end = exchanged(throttler, stats, REQUEST, RESPONSE)
    said = {one.header.key: one.header.raw_value for one in onward.request_headers.response.header_mutation.set_headers}
    assert said["x-activator-backend"] == b"127.0.0.1:1" and end.HasField("response_headers")
    assert asyncio.run(revision.acquire()) == "127.0.0.1:1"
    assert [one["revision"] for one in stats] == ["here/iris-00001"]

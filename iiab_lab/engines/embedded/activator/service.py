"""Envoy's stream about one request → a place in the queue, a Pod to go to, and the end of it.

Envoy tells the request's headers and waits; the answer names the Pod in a header that its cluster reads, or is the final 503.
It tells the response's headers when the Pod has answered, or ends the stream when the client went away: both free the place.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from .reporter import Reporter
from .throttler import Refused, Throttler

PROTO: Any = grpc.protos("iiab_lab/engines/embedded/activator/ext_proc.proto")
_SERVICE = "envoy.service.ext_proc.v3.ExternalProcessor"
_NAMESPACE, _REVISION = "knative-serving-namespace", "knative-serving-revision"
BACKEND, PLAIN = "x-activator-backend", "x-activator-plain"


def handlers(throttler: Throttler, reporter: Reporter) -> grpc.GenericRpcHandler:
    async def process(stream: AsyncIterator[Any], _: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        first = await anext(stream)
        if not first.HasField("request_headers"):
            # A filter before this one refused the request: Envoy shows that answer, and waits before it goes out.
            yield PROTO.ProcessingResponse(response_headers=PROTO.HeadersResponse())
            return
        name = _revision(first)
        revision = throttler[name]
        with reporter.request(name) as proxied:
            try:
                backend = await revision.acquire()
            except Refused as refused:
                yield _refusal(str(refused))
                return
            try:
                with proxied:
                    yield _onward(backend, revision.capacity.plain)
                    async for _answered in stream:
                        yield PROTO.ProcessingResponse(response_headers=PROTO.HeadersResponse())
                        return
            finally:
                revision.release(backend)

    handler = grpc.stream_stream_rpc_method_handler(
        process, PROTO.ProcessingRequest.FromString, PROTO.ProcessingResponse.SerializeToString
    )
    return grpc.method_handlers_generic_handler(_SERVICE, {"Process": handler})


def _revision(request: Any) -> str:
    """`namespace/name`, by the headers that the Route's VirtualService sets."""
    found = {
        header.key: header.raw_value.decode() or header.value for header in request.request_headers.headers.headers
    }
    return f"{found.get(_NAMESPACE, '')}/{found.get(_REVISION, '')}"


def _onward(backend: str, plain: bool) -> Any:
    headers = {"K-Proxy-Request": "activator", BACKEND: backend} | ({PLAIN: "true"} if plain else {})
    common = PROTO.CommonResponse(clear_route_cache=plain, header_mutation=_set(headers))
    return PROTO.ProcessingResponse(request_headers=PROTO.HeadersResponse(response=common))


def _refusal(why: str) -> Any:
    answer = PROTO.ImmediateResponse(
        status=PROTO.HttpStatus(code=503),
        headers=_set({"content-type": "text/plain; charset=utf-8"}),
        body=f"{why}\n".encode(),
        details="activator",
    )
    return PROTO.ProcessingResponse(immediate_response=answer)


def _set(headers: dict[str, str]) -> Any:
    options = [
        PROTO.HeaderValueOption(
            header=PROTO.HeaderValue(key=name, raw_value=value.encode()),
            append_action=PROTO.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        )
        for name, value in headers.items()
    ]
    return PROTO.HeaderMutation(set_headers=options)

"""A publication → how to call it: endpoint, headers, and programs in four languages that run as printed.

They read the key from the environment (`API_KEY`) and the lab's CA from `lab-ca.crt`, which GET /ca.crt of this service gives.
`address` is where the edge is found, because the lab's hostnames are in nobody's DNS.
"""

from __future__ import annotations

import json
from typing import Any

from ..edge import Address
from .publication import Publication

EXAMPLE = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
_CURL = """curl --cacert lab-ca.crt --resolve {host}:{port}:{address} \\
  -H "x-api-key: $API_KEY" \\
  {url} \\
  -d '{body}'
"""
_PYTHON = '''import http.client
import json
import os
import socket
import ssl


class Edge(http.client.HTTPSConnection):
    """Connects to the edge's address; the certificate is verified for the hostname."""

    def connect(self):
        plain = socket.create_connection(("{address}", {port}), timeout=10)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)


edge = Edge("{host}", {port}, context=ssl.create_default_context(cafile="lab-ca.crt"))
headers = {{"x-api-key": os.environ["API_KEY"], "content-type": "application/json"}}
edge.request("POST", "{path}", json.dumps({body}), headers)
answer = edge.getresponse()
print(answer.status, answer.read().decode())
'''
_JAVASCRIPT = """const https = require("https");
const fs = require("fs");

const request = https.request({{
  host: "{address}", port: {port}, path: "{path}", method: "POST",
  servername: "{host}", ca: fs.readFileSync("lab-ca.crt"),
  headers: {{host: "{host}", "x-api-key": process.env.API_KEY, "content-type": "application/json"}},
}}, (answer) => {{
  let body = "";
  answer.on("data", (chunk) => (body += chunk));
  answer.on("end", () => console.log(answer.statusCode, body));
}});
request.end(JSON.stringify({body}));
"""
_GO = """package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

func main() {{
	ca, err := os.ReadFile("lab-ca.crt")
	if err != nil {{
		panic(err)
	}}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {{
		return (&net.Dialer{{}}).DialContext(ctx, network, "{address}:{port}")
	}}
	client := http.Client{{Transport: &http.Transport{{DialContext: dial, TLSClientConfig: &tls.Config{{RootCAs: pool}}}}}}
	request, err := http.NewRequest("POST", "{url}", strings.NewReader(`{body}`))
	if err != nil {{
		panic(err)
	}}
	request.Header.Set("x-api-key", os.Getenv("API_KEY"))
	request.Header.Set("content-type", "application/json")
	answer, err := client.Do(request)
	if err != nil {{
		panic(err)
	}}
	body, _ := io.ReadAll(answer.Body)
	fmt.Println(answer.StatusCode, string(body))
}}
"""
_LANGUAGES = {"curl": _CURL, "python": _PYTHON, "javascript": _JAVASCRIPT, "go": _GO}


def documentation(publication: Publication, address: Address) -> dict[str, Any]:
    """The original's APIDocumentation, and what an answer looks like."""
    port = "" if address.port == 443 else f":{address.port}"
    url, body = f"https://{publication.host}{port}{publication.path}", json.dumps(EXAMPLE)
    headers = {"x-api-key": "$API_KEY", "content-type": "application/json"}
    known = {
        "host": publication.host,
        "path": publication.path,
        "address": address.host,
        "port": address.port,
        "url": url,
        "body": body,
    }
    return {
        "endpointUrl": url,
        "authHeaders": {"x-api-key": "$API_KEY"},
        "exampleRequests": [
            {
                "method": "POST",
                "url": url,
                "headers": headers,
                "body": body,
                "description": "One prediction, with a key",
            },
            {
                "method": "POST",
                "url": url,
                "headers": {"authorization": "Bearer $JWT_TOKEN"},
                "body": body,
                "description": f"The same with a token of {publication.tenant} or a tenant that is allowed",
            },
        ],
        "sdkExamples": {language: text.format(**known) for language, text in _LANGUAGES.items()},
        "expectedResponse": {"status": 200, "body": '{"predictions":[0]}'},
        "errors": {
            "401": "no key or token, or one that does not open this model",
            "403": "the token's tenant is not allowed",
            "429": "a limit is reached; Retry-After says for how long",
            "503": "no model server is ready",
        },
    }

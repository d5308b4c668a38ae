"""Ask some addresses over HTTP and say what came back.

In:  {"requests": [{"address", "port", "path", "host", "method": "GET", "version": "HTTP/1.1",
     "ca": ""}]}; with `ca` (a certificate, or "system") it asks over TLS, and the answer says with
     which version.
Out: [{"status": 200, "headers": {...}, "body": the first 2000 characters} or {"error": text}, ...]
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys
from typing import Any


class Named(http.client.HTTPSConnection):
    """To an address, with the name that its certificate must be for."""

    def __init__(self, asked: dict[str, Any], context: ssl.SSLContext) -> None:
        name = asked.get("name") or asked["address"]
        super().__init__(name, int(asked["port"]), timeout=10, context=context)
        self.address, self.context = asked["address"], context

    def connect(self) -> None:
        sock = socket.create_connection((self.address, self.port), self.timeout)
        self.sock = self.context.wrap_socket(sock, server_hostname=self.host)


def connected(request: dict[str, Any]) -> http.client.HTTPConnection:
    if not request.get("ca"):
        return http.client.HTTPConnection(request["address"], request["port"], timeout=10)
    own = None if request["ca"] == "system" else request["ca"]
    context = ssl.create_default_context(cadata=own)
    # Also a certificate may be named that is not its own signer.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if request.get("at_most"):
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = ssl.TLSVersion[request["at_most"]]
    return Named(request, context)


def ask(request: dict[str, Any]) -> dict[str, Any]:
    connection = connected(request)
    connection._http_vsn_str = request.get("version", connection._http_vsn_str)
    try:
        connection.request(
            request.get("method", "GET"),
            request["path"],
            headers={"Host": request["host"], **request.get("headers", {})},
        )
        response = connection.getresponse()
        body = response.read(100_000).decode("utf-8", errors="replace")[:2000]
    except (OSError, http.client.HTTPException) as error:
        return {"error": str(error), "status": 0, "headers": {}, "body": ""}
    finally:
        connection.close()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return {"status": response.status, "headers": headers, "body": body}


def main() -> None:
    json.dump([ask(request) for request in json.load(sys.stdin)["requests"]], sys.stdout)


if __name__ == "__main__":
    main()

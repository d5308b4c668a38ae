"""Ask some addresses over HTTP and say what came back.

In:  {"requests": [{"address", "port", "path", "host", "method": "GET"}]}
Out: [{"status": 200, "headers": {...}, "body": the first 2000 characters} or {"error": text}, ...]
"""

from __future__ import annotations

import http.client
import json
import sys
from typing import Any


def ask(request: dict[str, Any]) -> dict[str, Any]:
    connection = http.client.HTTPConnection(request["address"], request["port"], timeout=10)
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

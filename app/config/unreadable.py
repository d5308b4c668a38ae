"""What gunicorn cannot read as HTTP, and therefore no code of ours ever sees: a problem document.

gunicorn itself answers such a request with a page in HTML, and writes what it could not read, which
may be a secret's address or a token, into the journal.
"""

from __future__ import annotations

import json
from functools import partial
from http import HTTPStatus
from socket import socket
from typing import Any

from gunicorn.http import errors
from gunicorn.util import write_nonblock

from api.problems import KINDS, MEDIA_TYPE, TYPE_PREFIX

KIND_OF_ERROR: dict[type[Exception], str] = {
    errors.LimitRequestLine: "uri-too-long",
    errors.LimitRequestHeaders: "headers-too-large",
    errors.ExpectationFailed: "expectation-failed",
    errors.UnsupportedTransferCoding: "not-implemented",
}
# gunicorn's, but of what our own answer says: an error of ours.
OURS = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName, errors.ConfigurationProblem)


def post_worker_init(worker: Any) -> None:
    """gunicorn.conf.py hands it to gunicorn, which calls it in each worker before it serves."""
    worker.handle_error = partial(answer, worker)


def answer(worker: Any, request: Any, client: socket, address: Any, error: Exception) -> None:
    """In place of gunicorn's `Worker.handle_error`, which goes on answering for our own faults."""
    if not isinstance(error, errors.ParseException) or isinstance(error, OURS):
        type(worker).handle_error(worker, request, client, address, error)
        return
    # Its kind only: what was sent may be a secret.
    worker.log.warning("a request that is no HTTP: %s", type(error).__name__)
    try:
        write_nonblock(client, document(KIND_OF_ERROR.get(type(error), "bad-request")))
    except OSError:
        worker.log.debug("its sender did not wait for the answer")


def document(name: str) -> bytes:
    """The whole response. The language that was asked for could not be read either: both."""
    kind = KINDS[name]
    told = {
        "type": TYPE_PREFIX + name,
        "title": f"{kind.title_in('fr')} / {kind.title_in('en')}",
        "status": kind.status,
    }
    body = json.dumps(told, ensure_ascii=False).encode()
    head = [
        f"HTTP/1.1 {kind.status} {HTTPStatus(kind.status).phrase}",
        f"Content-Type: {MEDIA_TYPE}",
        f"Content-Length: {len(body)}",
        "Content-Language: fr, en",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body

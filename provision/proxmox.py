"""The edge: the only module that imports proxmoxer, sends a request or waits for a task.

What may be sent again, and why (../README.md and the tests name the reports behind it):
- reads: after anything that passes (a lost connection, 595, 596, 599, 502 to 504, "got timeout");
- writes: only when the server surely did nothing: it was not reached, or says that it did not get
  a lock. Anything else raises UnknownOutcomeError, and the caller reads before it decides.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

from proxmoxer.backends.https import JsonSerializer
from proxmoxer.core import ProxmoxResource, ResourceException
from urllib3 import connection_from_url
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError
from urllib3.util import create_urllib3_context

from provision import responses
from provision.credentials import Endpoint
from provision.errors import (
    ApiError,
    OperatorError,
    TaskError,
    UnknownOutcomeError,
    UnreachableError,
)

Params = Mapping[str, str | int]

# The server waits 10 s for a lock before it answers; proxmoxer's own 5 s would hide its answer.
REQUEST_TIMEOUT_S = 30.0
# More threads than ever ask at once: what does not fit is closed after each request.
MOST_CONNECTIONS = 64
RETRY_FOR_S = 90.0
# The limit above is one of silence; who sends a byte now and then, or without end, is cut off.
ANSWER_TIMEOUT_S = 60.0
MOST_ANSWER_BYTES = 64 * 1024**2
# Silence looks like a hang: after this long the operator hears what is being waited for.
TELL_AFTER_S = 3.0
TASK_TIMEOUT_S = 600.0
NEW_TASK_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_POLL_S = 0.05, 2.0, 1.0
LOG_TAIL = 5
MOST_SHOWN = 1000
MOST_LOG_LINES = 50_000
# pveproxy could not reach the node's daemon: 595 before it sent, the others after.
NOT_SENT, LOST = 595, frozenset({596, 597, 599})
# A proxy that an administrator put before pveproxy; like LOST, but Proxmox was perhaps never there.
GATEWAY = frozenset({502, 503, 504})
# "CT is locked (backup)", "can't lock file .. got timeout", "cfs-lock .. got lock request timeout"
LOCKED = re.compile(r"got (lock request )?timeout|is locked \(")
DENIED = re.compile(r"Permission check failed \((?P<path>/[^,()]*), (?P<privilege>[^()]+)\)")
NOT_FOUND = re.compile(r"Configuration file '[^']*' does not exist")
SUCCESS = re.compile(r"OK|WARNINGS: \d+")


class Socket(ssl.SSLSocket):
    """Gives up an answer that takes too long or is too large, whichever part of it drips."""

    deadline = 0.0
    left_bytes = 0

    def sendall(self, data: Any, flags: int = 0) -> None:
        self.deadline = time.monotonic() + ANSWER_TIMEOUT_S
        self.left_bytes = MOST_ANSWER_BYTES
        super().sendall(data, flags)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if time.monotonic() > self.deadline:
            raise TimeoutError("timed out")
        size = super().recv_into(*args, **kwargs)
        self.left_bytes -= size
        if self.left_bytes < 0:
            raise OSError(f"answer of more than {MOST_ANSWER_BYTES} bytes")
        return size


class Session:
    """What proxmoxer asks of requests' session, by its pool of connections alone.

    That takes half of the CPU time, and serves any number of threads. It knows nothing of the
    machine's web proxy and .netrc, and follows nobody elsewhere: the token would travel with it.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        context = create_urllib3_context()
        context.sslsocket_class = Socket
        # Python 3.13 demands key usage in each CA, and key identifiers: every cluster installed
        # before 2026 lacks the first (proxmox#6701), those of version 8 the second. Signatures,
        # dates and names are checked as ever.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if endpoint.ca_file:
            context.load_verify_locations(endpoint.ca_file.resolve(strict=True))
        else:
            context.load_default_certs()
        self.pool = connection_from_url(
            endpoint.url,
            ssl_context=context,
            timeout=REQUEST_TIMEOUT_S,
            maxsize=MOST_CONNECTIONS,
            headers={"Authorization": f"PVEAPIToken={endpoint.token_id}={endpoint.token_secret}"},
        )

    def request(self, method: str, path: str, *, data: Any, params: Any) -> SimpleNamespace:
        form = {"fields": data, "encode_multipart": False} if data else {"fields": params}
        response = self.pool.request(method, path, retries=False, **form)
        if response.get_redirect_location():
            raise KeyError("a redirect")
        return SimpleNamespace(
            status_code=response.status,
            reason=response.reason,
            content=response.data,
            text=response.data.decode(errors="replace"),
        )


class Proxmox:
    """Calls to one API with one token, from any number of threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        retry_for_s: float = RETRY_FOR_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        on_retry: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.endpoint = endpoint
        self.retry_for_s = retry_for_s
        self.clock = clock
        self.sleep = sleep
        self.on_retry = on_retry
        self.was_reached = False

    # ---------------------------------------------------------------- calls

    def get(self, path: str, /, **params: str | int) -> Any:
        """Read. Tries again for `retry_for_s` seconds, once the API has answered anything."""
        return self._retried("GET", path, params)

    def post(self, path: str, params: Params | None = None) -> Any:
        return self._retried("POST", path, params or {})

    def put(self, path: str, params: Params) -> Any:
        return self._retried("PUT", path, params)

    def delete(self, path: str, params: Params | None = None) -> Any:
        return self._retried("DELETE", path, params or {})

    def _retried(self, method: str, path: str, params: Params) -> Any:
        began = self.clock()
        pause_s = FIRST_PAUSE_S
        is_told = False
        while True:
            try:
                return self._send(method, path, params)
            except OperatorError as error:
                waited_s = self.clock() - began
                if not self._may_retry(error, method) or waited_s >= self.retry_for_s:
                    raise
                if waited_s >= TELL_AFTER_S and not is_told:
                    self.on_retry(f"{error.problem}; trying for {self.retry_for_s:.0f} s")
                    is_told = True
            self.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _may_retry(self, error: OperatorError, method: str) -> bool:
        if isinstance(error, UnreachableError):
            # The first call of a run fails at once: a wrong host or CA does not heal by waiting.
            return self.was_reached
        if isinstance(error, UnknownOutcomeError):
            return method == "GET" and self.was_reached
        return isinstance(error, ApiError) and (
            error.status == NOT_SENT or LOCKED.search(error.text) is not None
        )

    def _send(self, method: str, path: str, params: Params) -> Any:
        """One request. Every exception of proxmoxer and urllib3 stops here."""
        try:
            answer = getattr(self._api(path), method.lower())(**params)
        except ResourceException as error:
            self.was_reached |= error.status_code not in GATEWAY
            raise self._refused(error, method, path) from error
        except SSLError as error:
            raise self._untrusted(error) from error
        except (HTTPError, OSError, UnicodeError) as error:
            raise self._lost(error, method, path) from error
        except (KeyError, TypeError, AttributeError) as error:
            # proxmoxer takes for granted that every JSON is a mapping, and has "data".
            raise self._no_proxmox(method, path, "no data") from error
        self.was_reached = True
        if isinstance(answer, dict) and isinstance(answer.get("errors"), bytes):
            raise self._no_proxmox(method, path, "no JSON")
        if method != "GET":
            return answer
        try:
            return responses.checked(path, answer)
        except ValueError as error:
            raise self._no_proxmox(method, path, str(error)) from error

    @cached_property
    def _api(self) -> ProxmoxResource:
        session = Session(self.endpoint)
        return ProxmoxResource(base_url="/api2/json", session=session, serializer=JsonSerializer())

    # ---------------------------------------------------------------- failures in words

    def _lost(self, error: Exception, method: str, path: str) -> OperatorError:
        refused = isinstance(error, ConnectTimeoutError | NewConnectionError)
        if refused or not self.was_reached:
            return UnreachableError(
                f"the API at {self.endpoint.url} cannot be reached: {reason_of(error)}",
                next_step="start the lab: make up"
                if self.endpoint.is_lab
                else "check PROXMOX_HOST and PROXMOX_PORT (else lxc_api_host and lxc_api_port in "
                "the inventory), and the network",
            )
        return UnknownOutcomeError(
            f"no answer to {method} {path}: {reason_of(error)}",
            next_step="run the same command again: it reads what happened and goes on from there",
        )

    def _untrusted(self, error: SSLError) -> UnreachableError:
        reason = tls_reason(error)
        if reason is None:
            return UnreachableError(
                f"{self.endpoint.url} does not speak TLS as Proxmox does: {reason_of(error)}",
                next_step="check host and port (8006, not a web server's), and any proxy between",
            )
        ca = self.endpoint.ca_file or "the machine's own authorities"
        advice = (way for sentence, way in TLS_ADVICE if sentence.search(reason))
        return UnreachableError(
            f"the certificate of {self.endpoint.url} is not trusted by {ca}: {reason}",
            next_step=next(advice),
        )

    def _no_proxmox(self, method: str, path: str, what: str) -> ApiError:
        return ApiError(
            f"{self.endpoint.url} does not answer as Proxmox does ({method} {path}): {what}",
            next_step="check host and port: something else listens there, or stands in between",
            status=HTTPStatus.OK,
            message=what,
        )

    def _refused(self, error: ResourceException, method: str, path: str) -> OperatorError:
        message = short(error.content or "")
        fields = [short(f"{key}: {text}") for key, text in fields_of(error.errors).items()]
        if error.status_code in LOST:
            node = node_in(path)
            lost = f"the node {node}" if node else f"the node behind {self.endpoint.url}"
            return UnknownOutcomeError(
                f"{lost} was lost during {method} {path}: {error.status_code} {message}",
                next_step="see whether the node is up, then run the same command again",
            )
        if error.status_code in GATEWAY:
            return UnknownOutcomeError(
                f"what stands before Proxmox at {self.endpoint.url} answers {method} {path}: "
                f"{error.status_code} {message}",
                next_step="see whether pveproxy runs behind it, then run the same command again",
            )
        detail = "; ".join([message, *fields])
        return ApiError(
            problem_of(error.status_code, detail, method, path, self.endpoint),
            next_step=next_step_for(error.status_code, detail, path),
            status=error.status_code,
            message=message,
            fields=fields,
        )

    # ---------------------------------------------------------------- tasks

    def wait_for_task(
        self,
        upid: str,
        *,
        timeout_s: float = TASK_TIMEOUT_S,
        on_poll: Callable[[], None] = lambda: None,
    ) -> str:
        """Return the exit status once task `upid` has ended well: "OK" or "WARNINGS: <n>".

        A stopped task carries `exitstatus`; "stopped" alone says nothing. Raises TaskError with the
        end of its log when it failed, or when it still runs after `timeout_s` seconds.
        """
        began = self.clock()
        if not responses.upid(upid):
            shown = responses.shown(upid)
            raise self._no_proxmox("task", "UPID", f"{shown} instead of a task's id")
        path = task_path(upid)
        while True:
            status = self._task_status(path, is_new=self.clock() - began < NEW_TASK_S)
            if status.get("status") == "stopped":
                return self._judge(upid, str(status.get("exitstatus", "")))
            waited_s = self.clock() - began
            if waited_s >= timeout_s:
                raise TaskError(
                    f"task {task_type(upid)} still runs after {timeout_s:.0f} s ({upid})",
                    next_step="watch it in Proxmox under Tasks; when it has ended, run this again",
                    exit_status=None,
                )
            on_poll()
            # Short tasks are asked about often, long ones seldom: nobody waits a tenth too long.
            self.sleep(min(max(waited_s / 10, FIRST_PAUSE_S), LONGEST_POLL_S))

    def _task_status(self, path: str, *, is_new: bool) -> Mapping[str, Any]:
        """A task that was begun a moment ago may not be known yet: 400, as bpg met it."""
        try:
            status: Mapping[str, Any] = self.get(f"{path}/status")
        except ApiError as error:
            if not (is_new and error.status == HTTPStatus.BAD_REQUEST):
                raise
            return {}
        return status

    def _judge(self, upid: str, exit_status: str) -> str:
        if SUCCESS.fullmatch(exit_status):
            return exit_status
        exit_status = short(exit_status)
        tail = [line for line in self.task_log(upid) if exit_status not in line][-LOG_TAIL:]
        log = "".join(f"\n    {line}" for line in tail)
        raise TaskError(
            f"task {task_type(upid)} failed: {exit_status or 'no exit status'}{log}",
            next_step=task_next_step(exit_status, upid),
            exit_status=exit_status,
        )

    def task_log(self, upid: str) -> list[str]:
        """All lines: without a limit there would be 50, and limit=0 is not "all" everywhere."""
        lines = self.get(f"{task_path(upid)}/log", limit=MOST_LOG_LINES)
        return [short(line.get("t", "")) for line in lines]


# ---------------------------------------------------------------- rights


def held_on(api: Proxmox, path: str) -> frozenset[str]:
    """Proxmox answers with the path itself; entries of paths above it count as inherited."""
    answer = api.get("access/permissions", path=path)
    above = [p for p in answer if p in (path, "/") or path.startswith(f"{p}/")]
    return frozenset(privilege for p in above for privilege in answer[p])


# ---------------------------------------------------------------- pure helpers


def task_path(upid: str) -> str:
    """A task is asked for on the node named in its UPID."""
    return f"nodes/{upid.split(':')[1]}/tasks/{upid}"


def node_in(path: str) -> str | None:
    """The node that a call is for, None when it is for the cluster."""
    found = re.match(r"nodes/([^/]+)/", path)
    return found[1] if found else None


def task_type(upid: str) -> str:
    parts = upid.split(":")
    return f"{parts[5]} {parts[6]}".strip()


def is_not_found(error: ApiError) -> bool:
    """The only sign that a container does not exist is this sentence, with status 500."""
    return NOT_FOUND.search(error.text) is not None


def is_lock_failure(text: str) -> bool:
    return LOCKED.search(text) is not None


def fields_of(errors: Any) -> Mapping[str, Any]:
    """Without the page of a proxy, which proxmoxer gives as bytes."""
    known = errors if isinstance(errors, dict) else {}
    return {key: text for key, text in known.items() if not isinstance(text, bytes)}


def short(text: object) -> str:
    """What somebody else wrote: on one line, without control characters, and not a page."""
    plain = "".join(c if c.isprintable() else " " for c in str(text))
    return " ".join(plain.split())[:MOST_SHOWN]


def reason_of(error: BaseException) -> str:
    """The innermost cause: urllib3 wraps it in its own words."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    text = str(error)
    found = re.findall(
        r"(\[Errno [^\]]+\] [^'\")]+|certificate verify failed: [^(]+|answer of more than \d+ bytes"
        r"|timed out|[A-Z]\w+Error\b)",
        text,
    )
    return (found[-1] if found else text)[:200].strip()


def tls_reason(error: SSLError) -> str | None:
    """What is wrong with the certificate; None when it did not come to that."""
    found = re.search(r"certificate verify failed: (.+?)\.? ?\(_ssl", str(error))
    return found[1].strip() if found else None


# What OpenSSL says of a certificate -> what to do about it; the first that matches counts.
TLS_ADVICE = (
    (
        re.compile("expired|not yet valid"),
        "on the node: pvenode cert info; a new one: pvecm updatecerts --force, then systemctl "
        "restart pveproxy; and look at this machine's clock",
    ),
    (
        re.compile("mismatch"),
        "set PROXMOX_HOST or lxc_api_host to a name or address that the certificate holds; on the "
        "node: pvenode cert info",
    ),
    (re.compile(""), "give its /etc/pve/pve-root-ca.pem as lxc_api_ca_file or PROXMOX_CA_FILE"),
)


def problem_of(status: int, detail: str, method: str, path: str, endpoint: Endpoint) -> str:
    denied = DENIED.search(detail)
    if status == NOT_SENT and (node := node_in(path)):
        return f"the node {node} does not answer ({method} {path}): {status} {detail}"
    if status == HTTPStatus.UNAUTHORIZED:
        return f"{endpoint.url} does not accept the token {endpoint.token_id}: {detail}"
    if denied:
        lacks = f"lacks {denied['privilege']} on {denied['path']}"
        return f"the token {endpoint.token_id} {lacks} ({method} {path})"
    if status == HTTPStatus.FORBIDDEN:
        return f"the token {endpoint.token_id} may not do {method} {path}: {detail}"
    return f"Proxmox refuses {method} {path}: {status} {detail}"


HA_ERROR = "in state error: ha-manager set ct:VMID --state disabled, then --state started"
DOCTOR = "'make doctor' prints the exact pveum commands"
# What the server says -> what to do about it; the first that matches counts.
ADVICE = (
    (
        re.compile("Sys.Modify for modifying tag"),
        "let users set this tag: Datacenter, Options, User Tag Access (user-allow: free, or list "
        "it in user-allow-list), and keep it off Registered Tags; Sys.Modify on / is too much",
    ),
    (
        re.compile("only allowed for root@pam"),
        "no privilege helps a token here: as root on the node, with pct set; then run this again",
    ),
    (
        re.compile("not available with API token"),
        "this call takes no token at all: make it as a user, in Proxmox's own pages",
    ),
    (
        re.compile(r"\(/sdn/zones/(?!localnetwork/)[^/]+/[^)]+, SDN.Use"),
        f"it is a vnet: set lxc_sdn_zone to the zone in this path; then {DOCTOR}",
    ),
    (
        re.compile("VM.Migrate"),
        "grant it where CTLVContainers is granted; or move it, as root: pct migrate VMID NODE "
        "--restart",
    ),
    (DENIED, f"grant it to the user and to the token (both, with privilege separation); {DOCTOR}"),
    (re.compile(r"pool '[^']*' does not exist"), f"make it, or set lxc_pool; {DOCTOR}"),
    (re.compile("no quorum"), "bring the cluster's nodes back (pvecm status), then run this again"),
    (
        re.compile("protection mode enabled"),
        "set lxc_protection: false and apply, then run this again",
    ),
    (
        LOCKED,
        "wait for the task that holds the lock (backup, migration), then run this again; a lock "
        "that no task holds, on its node: pct unlock VMID",
    ),
    (re.compile("detected modified configuration"), "run this again to see what someone changed"),
    (re.compile("ha-manager"), f"see ha-manager status; {HA_ERROR}; run this again"),
    (NOT_FOUND, "it was destroyed or moved meanwhile: run this again, it is looked for anew"),
    (
        re.compile("volume .*does not exist"),
        "the template is not on the storage, see 'make doctor'; then run this again",
    ),
    (re.compile("No space left|not enough"), "free space on the storage, then run this again"),
)


def advice_for(text: str, vmid: str | None) -> str | None:
    for sentence, advice in ADVICE:
        if sentence.search(text):
            return advice.replace("VMID", vmid) if vmid else advice
    return None


def next_step_for(status: int, detail: str, path: str) -> str:
    if status == HTTPStatus.UNAUTHORIZED:
        return (
            f"check PROXMOX_TOKEN_ID and PROXMOX_TOKEN_SECRET, and that it still exists; {DOCTOR}"
        )
    if status == NOT_SENT:
        return "see whether it is up (pvecm status, on another node), then run this again"
    guest = re.search(r"/lxc/(\d+)", path)
    if advice := advice_for(detail, guest[1] if guest else None):
        return advice
    if status == HTTPStatus.FORBIDDEN:
        # On create Proxmox leaves out what is missing (pve-container API2/LXC.pm).
        return f"VM.Allocate on the pool or /vms is missing, most likely; {DOCTOR}"
    return f"read the message; 'make doctor' checks what {path.partition('/')[0]} calls need"


def task_next_step(exit_status: str, upid: str) -> str:
    node = upid.split(":")[1]
    if advice := advice_for(exit_status, upid.split(":")[6]):
        return advice
    # Quoted: a token's UPID has a "!", which the shell's history would take.
    return f"read its log: pvesh get '/nodes/{node}/tasks/{upid}/log'; then run this again"

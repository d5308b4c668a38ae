"""What happens around every request, in the order of settings.MIDDLEWARE."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.cache import add_never_cache_headers

from agenda.clock import zone_of

# Answered without a question about the user: they must answer when the database does not.
FOR_MACHINES = {"/healthz", "/readyz"}

Next = Callable[[HttpRequest], HttpResponse]


def client_address(request: HttpRequest) -> str:
    """Who asks. Only nginx reaches the unix socket (REMOTE_ADDR is then empty), and nginx
    overwrites X-Forwarded-For; over TCP the header is a stranger's word and is ignored.
    """
    peer = str(request.META.get("REMOTE_ADDR") or "")
    if peer:
        return peer
    forwarded = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).split(",")[-1].strip()
    try:
        return str(ip_address(forwarded))
    except ValueError:
        return "0.0.0.0"  # noqa: S104 - not a bind: "nobody we know", so all share one throttle


class MessageStorage(CookieStorage):
    cookie_name = f"{settings.COOKIE_PREFIX}messages"


class SecurityHeadersMiddleware:
    """Outermost, so that error pages carry the headers too."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response
        self.policy = "; ".join(f"{name} {value}" for name, value in settings.SECURE_CSP.items())

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", self.policy)
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), microphone=(), geolocation=()"
        )
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        # Django's own middleware sets these too, but not on what is refused before it.
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("X-Frame-Options", settings.X_FRAME_OPTIONS)
        response.headers.setdefault("Referrer-Policy", settings.SECURE_REFERRER_POLICY)
        if not response.has_header("Cache-Control"):
            add_never_cache_headers(response)  # an agenda is nobody else's, and it forgets
        return response


class ClientAddressMiddleware:
    """/admin exists only for the configured networks."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/admin"):
            client = ip_address(client_address(request))
            is_inside = any(client in network for network in settings.ADMIN_NETWORKS)
            if not (client.is_loopback or is_inside):
                raise Http404("the administration is not open to this address")
        return self.get_response(request)


class PreferencesMiddleware:
    """The user's own language and time zone, which need no question of their own:
    the user is loaded anyway. Somebody unknown keeps the browser's language, the site's zone.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path in FOR_MACHINES:
            return self.get_response(request)
        user = request.user
        zone = user.time_zone if user.is_authenticated else ""
        language = user.language if user.is_authenticated else ""
        if language:
            translation.activate(language)
            request.LANGUAGE_CODE = language
        with timezone.override(zone_of(zone)):
            return self.get_response(request)

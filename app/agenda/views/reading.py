"""Pages to look at: the agenda, search, the month, the feed."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from itertools import chain

from dateutil.relativedelta import relativedelta
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.access import sign_in_required, signed_in
from accounts.services import calendar_owner
from agenda import month as months
from agenda import services
from agenda.calendar import TaskTold, calendar, task_told
from agenda.clock import day_start, zone_here, zone_label, zone_of
from agenda.grouping import grouped, turns_at
from agenda.models import TITLE_LENGTH_MAX, Priority, Task, erased_at, grace, removal_grace
from agenda.portions import digest, portions
from agenda.quotas import held, held_as_listed, nearly_all
from agenda.views.lookups import line_kept, require_read
from speech import services as speech

SEARCH_RESULTS_MAX = 100
# What the list may be narrowed to.
PRIORITIES = {str(priority.value) for priority in Priority if priority}
# Whoever holds more sees the next ones: thousands would cost a worker its memory.
SHOWN_MAX = 500
# A change that was under way while a page was made may say an earlier moment than the page.
UNDER_WAY = timedelta(seconds=2)


@require_read
@sign_in_required
def agenda(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    user = signed_in(request)
    shown = Task.objects.of(user.pk).shown(at=at).as_listed().by_deadline()
    only_tag, only_priority = request.GET.get("tag", ""), request.GET.get("priority", "")
    if only_tag:
        shown = shown.tagged(only_tag)
    if is_filtered := only_priority in PRIORITIES:
        shown = shown.at_least(int(only_priority))
    tasks = list(shown[: SHOWN_MAX + 1])
    live = [task for task in tasks if task.removed_at is None]
    removed = [task for task in tasks if task.removed_at is not None]
    is_more = len(tasks) > SHOWN_MAX
    if is_more:
        live, removed = live[:SHOWN_MAX], list(shown.exclude(removed_at=None)[:SHOWN_MAX])
    context = {
        "at": at,
        "groups": grouped(live, at=at, zone=zone_here()),
        "turns_at": turns_at(live, at=at, zone=zone_here()),
        "live": live,
        "line": line_kept(request),
        "undo": [
            (task, services.next_deadline_of(task, at=at, zone=zone_here()))
            for task in (*removed, *live)
            if (until := task.undo_until()) and until > at
        ],
        "tags": sorted({name for task in live for name in task.tag_names}),
        "priorities": [
            (str(priority.value), priority.label)
            for priority in (Priority.IMPORTANT, Priority.URGENT)
            if any(task.priority >= priority for task in live)
        ],
        "only_tag": only_tag,
        "only_priority": only_priority if is_filtered else "",
        "zone": zone_label(at, zone=zone_here()),
        "grace": grace(),
        "first": SHOWN_MAX if is_more else 0,
        "nearly_all": nearly_all(
            held(user.pk) if is_more or only_tag or is_filtered else held_as_listed(tasks)
        ),
        "most": {"tasks": settings.MOST_TASKS, "kib": settings.MOST_KIB},
        "speaks": speech.is_enabled(),
    }
    return render(request, "agenda/agenda.html", context)


@require_read
@sign_in_required
def changes(request: HttpRequest) -> HttpResponse:
    """Whether anything was changed since the page was made that asks: If-None-Match holds when."""
    at = timezone.now()
    try:
        seen_at = datetime.fromisoformat(request.headers.get("If-None-Match", "").strip('"'))
        since = seen_at.astimezone(UTC) - UNDER_WAY
    except (ValueError, OverflowError):
        since = datetime.min.replace(tzinfo=UTC)
    is_changed = Task.objects.of(signed_in(request).pk).changed(since=since).exists()
    response = HttpResponse(status=204 if is_changed else 304)
    response["ETag"] = f'"{at.isoformat()}"'
    return response


@require_read
@sign_in_required
def search(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    words = request.GET.get("q", "").replace("\x00", "")[:TITLE_LENGTH_MAX]
    tasks = (
        Task.objects.of(signed_in(request).pk).live(at=at).about(words).as_listed().by_deadline()
    )
    found = list(tasks[: SEARCH_RESULTS_MAX + 1]) if words.strip() else []
    context = {
        "at": at,
        "words": words,
        "groups": grouped(found[:SEARCH_RESULTS_MAX], at=at, zone=zone_here()),
        "turns_at": turns_at(found, at=at, zone=zone_here()),
        "most": SEARCH_RESULTS_MAX if len(found) > SEARCH_RESULTS_MAX else 0,
        "speaks": speech.is_enabled(),
    }
    return render(request, "agenda/search.html", context)


@require_read
@sign_in_required
def month(request: HttpRequest, year: int | None = None, number: int | None = None) -> HttpResponse:
    """The weeks from today on, or a month of the calendar."""
    at = timezone.now()
    zone = zone_here()
    today = at.astimezone(zone).date()
    if year is None or number is None:
        days = months.days_from(today)
        first, last = today, days[-1][-1]
        middle = today.replace(day=1)
    elif months.is_month(year, number):
        days = months.days_of(year, number)
        first = middle = date(year, number, 1)
        last = first + relativedelta(day=31)
    else:
        raise Http404("no such month")
    since = day_start(days[0][0], zone=zone)
    until = day_start(days[-1][-1] + timedelta(days=1), zone=zone)
    mine = Task.objects.of(signed_in(request).pk).live(at=at)
    mine = mine.due_or_repeating(since=since, until=until)
    before, after = middle - relativedelta(months=1), middle + relativedelta(months=1)
    context = {
        "at": at,
        "first": first,
        "last": last,
        "is_rolling": year is None,
        "today": today,
        "weeks": months.weeks(
            days, mine.defer("notes").by_deadline().iterator(chunk_size=500), zone=zone
        ),
        "before": before if year and months.is_month(before.year, before.month) else None,
        "after": after if months.is_month(after.year, after.month) else None,
    }
    return render(request, "agenda/month.html", context)


@require_read
def calendar_feed(request: HttpRequest, token: str) -> HttpResponseBase:
    """Whoever holds the secret address reads the tasks that are live, and nothing else."""
    owner = calendar_owner(token)
    if owner is None:
        raise Http404("no such feed, or it was closed")
    live = Task.objects.of(owner.pk).live(at=timezone.now())
    said = settings.RELEASE, owner.username, owner.time_zone, digest(live, TaskTold._fields)
    etag = f'"{hashlib.sha256(repr(said).encode()).hexdigest()}"'
    headers = {"ETag": etag, "Referrer-Policy": "no-referrer", "Cache-Control": "private, no-cache"}
    if etag in request.headers.get("If-None-Match", ""):
        return HttpResponse(status=304, headers=headers)
    body = calendar(
        chain.from_iterable(portions(owner.pk, TaskTold._fields, task_told)),
        name=owner.username,
        zone=zone_of(owner.time_zone),
        is_repeating=live.repeating().exists(),
    )
    return StreamingHttpResponse(body, content_type="text/calendar; charset=utf-8", headers=headers)


@require_read
def about(request: HttpRequest) -> HttpResponse:
    context = {
        "leaves_network": speech.leaves_network(),
        "grace": grace(),
        "removal_grace": removal_grace(),
        "audit_days": settings.AUDIT_DAYS,
        "backups_kept": timedelta(days=settings.BACKUP_DAYS),
    }
    return render(request, "agenda/about.html", context)


@require_read
def manifest(request: HttpRequest) -> HttpResponse:
    """With which a phone or a desk puts the agenda among its programs."""
    icons = [
        {"src": static("icon.svg"), "sizes": "any", "type": "image/svg+xml"},
        {"src": static("icon-512.png"), "sizes": "512x512", "type": "image/png"},
        {
            "src": static("icon-maskable-512.png"),
            "sizes": "512x512",
            "type": "image/png",
            "purpose": "maskable",
        },
    ]
    told = {
        "name": _("Agenda"),
        "short_name": _("Agenda"),
        "lang": get_language(),
        "id": reverse("agenda"),
        "start_url": reverse("agenda"),
        "scope": "/agenda",
        "display": "standalone",
        "background_color": "#fbf8f3",
        "theme_color": "#0b5c63",
        "icons": icons,
        "shortcuts": [
            {"name": _("Add a task"), "url": reverse("task-new")},
            {"name": _("Hear my day"), "url": reverse("day-hear")},
        ],
    }
    return JsonResponse(told, content_type="application/manifest+json")


@require_read
def worker(request: HttpRequest) -> HttpResponse:
    """What keeps the agenda for where there is no network: from here, for all that is below it."""
    script = (settings.BASE_DIR / "config/static/worker.js").read_bytes()
    headers = {"Service-Worker-Allowed": "/agenda"}
    return HttpResponse(script, content_type="text/javascript", headers=headers)


@require_read
def accessibility(request: HttpRequest) -> HttpResponse:
    return render(request, "agenda/accessibility.html")


@require_read
@sign_in_required
def recent(request: HttpRequest) -> HttpResponse:
    """What was forgotten a while ago and can still be brought back, where there is a grace."""
    if not grace():
        raise Http404("this site forgets at once")
    at = timezone.now()
    tasks = (
        Task.objects.of(signed_in(request).pk)
        .recent(at=at)
        .as_listed()
        .order_by("-deadline_at", "id")
    )
    context = {"at": at, "tasks": [(task, erased_at(task)) for task in tasks], "grace": grace()}
    return render(request, "agenda/recent.html", context)

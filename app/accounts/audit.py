"""What happened to accounts: when, from which address, and never a word of what is in them."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import AuditLine, User, normal_name
from agenda.forgetting import erase_in_chunks
from agenda.identity import uuid7
from config.middleware import client_address
from config.retry import retried

What = AuditLine.What
# Of a user's own, on the account page.
SHOWN = 20


@retried(given={"identity": uuid7})
def note(
    what: AuditLine.What,
    user_id: UUID | None,
    *,
    request: HttpRequest | None,
    detail: str = "",
    identity: UUID | None = None,
) -> None:
    """`request`: whose address it came from; None for what an operator does."""
    line = AuditLine(
        id=identity or uuid7(),
        at=timezone.now(),
        what=what,
        account_id=user_id,
        address=client_address(request) if request else "",
        detail=detail,
    )
    AuditLine.objects.bulk_create([line], ignore_conflicts=True)


def note_refusal(request: HttpRequest, username: str, what: AuditLine.What = What.REFUSED) -> None:
    """Of accounts there are, and not of what the throttle turns away: nobody fills the table, and
    what is typed in the wrong field is not kept.
    """
    if getattr(request, "axes_locked_out", False):
        return
    for user in User.objects.filter(username=normal_name(username)):
        note(what, user.pk, request=request)


def codes_refused(user: User, *, at: datetime) -> int:
    """Within the last hour, from everywhere: who gives one knows the password already."""
    since = AuditLine.objects.filter(account_id=user.pk, at__gt=at - timedelta(hours=1))
    return since.filter(what=What.CODE_REFUSED).count()


def lines_of(user: User) -> QuerySet[AuditLine]:
    """Newest first."""
    return AuditLine.objects.filter(account_id=user.pk).order_by("-at")


def audit_forget(*, at: datetime) -> int:
    """Erase lines that have been kept long enough; return how many."""
    until = at - timedelta(days=settings.AUDIT_DAYS)
    return erase_in_chunks(AuditLine.objects.filter(at__lte=until).order_by("at"))

"""All that the eight migrations before 1.0 made one after the other; their databases have it."""

from typing import Any

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import accounts.models
import agenda.identity

DIGEST: dict[str, Any] = {"db_collation": "utf8mb4_bin", "max_length": 64}
ROW_NUMBER = models.BigAutoField(
    auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
)
TOLD: dict[str, Any] = {"db_default": 0, "default": 0, "editable": False}


class Migration(migrations.Migration):
    initial = True

    dependencies = [("auth", "0012_alter_user_first_name_max_length")]

    operations = [
        migrations.CreateModel(
            name="FirstAdminLink",
            fields=[
                ("id", ROW_NUMBER),
                ("token_sha256", models.CharField(unique=True, **DIGEST)),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
            ],
            options={"db_table": "first_admin_link"},
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("password", models.CharField(max_length=128, verbose_name="password")),
                (
                    "last_login",
                    models.DateTimeField(blank=True, null=True, verbose_name="last login"),
                ),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "first_name",
                    models.CharField(blank=True, max_length=150, verbose_name="first name"),
                ),
                (
                    "last_name",
                    models.CharField(blank=True, max_length=150, verbose_name="last name"),
                ),
                (
                    "email",
                    models.EmailField(blank=True, max_length=254, verbose_name="email address"),
                ),
                (
                    "is_staff",
                    models.BooleanField(
                        default=False,
                        help_text="Designates whether the user can log into this admin site.",
                        verbose_name="staff status",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                        verbose_name="active",
                    ),
                ),
                (
                    "date_joined",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="date joined"
                    ),
                ),
                (
                    "id",
                    models.UUIDField(
                        default=agenda.identity.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        db_collation="utf8mb4_bin",
                        error_messages={"unique": "This name is taken. Choose another one."},
                        max_length=60,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[\\w.@+-]+\\Z",
                                "Use letters, digits and . @ + - _ only, without spaces.",
                            )
                        ],
                        verbose_name="user name",
                    ),
                ),
                ("language", models.CharField(blank=True, max_length=5, verbose_name="language")),
                (
                    "time_zone",
                    models.CharField(blank=True, max_length=64, verbose_name="time zone"),
                ),
                (
                    "voice",
                    models.CharField(
                        blank=True,
                        choices=[("google", "Google's voice"), ("local", "This site's own voice")],
                        max_length=10,
                        verbose_name="voice",
                    ),
                ),
                (
                    "calendar_sha256",
                    models.CharField(editable=False, null=True, unique=True, **DIGEST),
                ),
                ("quiet_from", models.TimeField(blank=True, null=True, verbose_name="quiet from")),
                (
                    "quiet_until",
                    models.TimeField(blank=True, null=True, verbose_name="quiet until"),
                ),
                ("listened_at", models.DateTimeField(editable=False, null=True)),
                ("forgotten_unheard", models.PositiveIntegerField(**TOLD)),
                ("forgotten_told", models.PositiveIntegerField(**TOLD)),
                ("is_probe", models.BooleanField(default=False, editable=False)),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "verbose_name": "user",
                "verbose_name_plural": "users",
                "db_table": "account",
                "abstract": False,
            },
            managers=[("objects", accounts.models.PeopleManager())],
        ),
        migrations.CreateModel(
            name="Session",
            fields=[
                (
                    "session_key",
                    models.CharField(
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                        verbose_name="session key",
                    ),
                ),
                ("session_data", models.TextField(verbose_name="session data")),
                ("expire_date", models.DateTimeField(db_index=True, verbose_name="expire date")),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
                "db_table": "session",
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="ResetRequest",
            fields=[
                ("id", ROW_NUMBER),
                ("whose_sha256", models.CharField(**DIGEST)),
                ("where_sha256", models.CharField(**DIGEST)),
                ("asked_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "db_table": "reset_request",
                "indexes": [
                    models.Index(fields=["whose_sha256", "asked_at"], name="reset_request_of_whom"),
                    models.Index(
                        fields=["where_sha256", "asked_at"], name="reset_request_from_where"
                    ),
                ],
            },
        ),
    ]

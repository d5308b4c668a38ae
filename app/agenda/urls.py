"""The agenda's addresses: with and without the slash at the top, tasks by their UUID."""

from __future__ import annotations

from django.urls import path

from agenda.views import editing, listening, reading

urlpatterns = [
    path("agenda", reading.agenda, name="agenda"),
    path("agenda/", reading.agenda),
    path("agenda/search/", reading.search, name="search"),
    path("agenda/month/", reading.month, name="month"),
    path("agenda/month/<int:year>/<int:number>/", reading.month, name="month"),
    path("agenda/calendar/<str:token>.ics", reading.calendar_feed, name="calendar-feed"),
    path("agenda/day/hear/", listening.day_hear, name="day-hear"),
    path("agenda/day/speech.mp3", listening.day_speech, name="day-speech"),
    path("agenda/announcements/", listening.reminders, name="announcements"),
    path(
        "agenda/announcements/missed/<int:reminders>/<int:forgotten>/speech.mp3",
        listening.missed_speech,
        name="missed-speech",
    ),
    path("agenda/changes/", reading.changes, name="changes"),
    path("agenda/recent/", reading.recent, name="recent"),
    path("agenda/about/", reading.about, name="about"),
    path("agenda/manifest.webmanifest", reading.manifest, name="manifest"),
    path("agenda/worker.js", reading.worker, name="worker"),
    path("agenda/accessibility/", reading.accessibility, name="accessibility"),
    path("agenda/tasks/new/", editing.task_new, name="task-new"),
    path("agenda/tasks/quick/", editing.task_quick, name="task-quick"),
    path("agenda/tasks/<uuid:task_id>/", editing.task_edit, name="task-edit"),
    path("agenda/tasks/<uuid:task_id>/remove/", editing.task_remove, name="task-remove"),
    path("agenda/tasks/<uuid:task_id>/done/", editing.task_done, name="task-done"),
    path("agenda/tasks/<uuid:task_id>/end/", editing.task_end, name="task-end"),
    path("agenda/tasks/<uuid:task_id>/restore/", editing.task_restore, name="task-restore"),
    path("agenda/tasks/<uuid:task_id>/keep/", editing.task_keep, name="task-keep"),
    path("agenda/tasks/<uuid:task_id>/hear/", listening.task_hear, name="task-hear"),
    path("agenda/tasks/<uuid:task_id>/speech.mp3", listening.task_speech, name="task-speech"),
    path(
        "agenda/tasks/<uuid:task_id>/announcement/<int:minutes>.mp3",
        listening.reminder_speech,
        name="announcement-speech",
    ),
]

"""The agenda's addresses: with and without the slash at the top, tasks by their UUID."""

from __future__ import annotations

from django.urls import path

from agenda import views

urlpatterns = [
    path("agenda", views.agenda, name="agenda"),
    path("agenda/", views.agenda),
    path("agenda/search/", views.search, name="search"),
    path("agenda/month/", views.month, name="month"),
    path("agenda/month/<int:year>/<int:number>/", views.month, name="month"),
    path("agenda/calendar/<str:token>.ics", views.calendar_feed, name="calendar-feed"),
    path("agenda/day/hear/", views.day_hear, name="day-hear"),
    path("agenda/day/speech.mp3", views.day_speech, name="day-speech"),
    path("agenda/announcements/", views.announcements, name="announcements"),
    path(
        "agenda/announcements/missed/<int:reminders>/<int:forgotten>/speech.mp3",
        views.missed_speech,
        name="missed-speech",
    ),
    path("agenda/recent/", views.recent, name="recent"),
    path("agenda/about/", views.about, name="about"),
    path("agenda/tasks/new/", views.task_new, name="task-new"),
    path("agenda/tasks/quick/", views.task_quick, name="task-quick"),
    path("agenda/tasks/<uuid:task_id>/", views.task_edit, name="task-edit"),
    path("agenda/tasks/<uuid:task_id>/remove/", views.task_remove, name="task-remove"),
    path("agenda/tasks/<uuid:task_id>/end/", views.task_end, name="task-end"),
    path("agenda/tasks/<uuid:task_id>/restore/", views.task_restore, name="task-restore"),
    path("agenda/tasks/<uuid:task_id>/keep/", views.task_keep, name="task-keep"),
    path("agenda/tasks/<uuid:task_id>/hear/", views.task_hear, name="task-hear"),
    path("agenda/tasks/<uuid:task_id>/speech.mp3", views.task_speech, name="task-speech"),
    path(
        "agenda/tasks/<uuid:task_id>/announcement/<int:step>.mp3",
        views.announcement_speech,
        name="announcement-speech",
    ),
]

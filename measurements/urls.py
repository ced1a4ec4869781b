"""Addresses of this app's pages."""

from django.urls import path

from measurements.views import (
    biomarkers,
    cross_over,
    deviations,
    queries,
    schedule,
    sessions,
    spirit,
    submissions,
    value_history,
    verification,
    visit_form,
)

PARTICIPANT = "trials/<slug:slug>/participants/<participant_code:code>/"
VISIT = f"{PARTICIPANT}visits/<slug:visit>/"

urlpatterns = [
    path("trials/<slug:slug>/registration/schedule/", spirit.schedule, name="spirit-schedule"),
    path("trials/<slug:slug>/registration/schedule/spirit.csv", spirit.schedule_csv, name="spirit-schedule-csv"),
    path("trials/<slug:slug>/biomarkers/", biomarkers.biomarkers, name="biomarkers"),
    path(VISIT, visit_form.visit_form, name="visit-form"),
    path(f"{VISIT}attendance/", visit_form.visit_attendance, name="visit-attendance"),
    path(f"{VISIT}lock/", visit_form.visit_lock, name="visit-lock"),
    path(f"{VISIT}unlock/", visit_form.visit_unlock, name="visit-unlock"),
    path(
        "trials/<slug:slug>/participants/<participant_code:code>/cross-over/", cross_over.cross_over, name="cross-over"
    ),
    path("trials/<slug:slug>/visits/", schedule.visit_schedule, name="visit-schedule"),
    path("trials/<slug:slug>/visits/visits.csv", schedule.visit_schedule_csv, name="visit-schedule-csv"),
    path("trials/<slug:slug>/visits/lock/", schedule.visits_lock, name="visits-lock"),
    path("trials/<slug:slug>/deviations/", deviations.deviation_list, name="deviations"),
    path("trials/<slug:slug>/deviations/deviations.csv", deviations.deviation_list_csv, name="deviations-csv"),
    path("trials/<slug:slug>/deviations/record/", deviations.deviation_record, name="deviation-record"),
    path("trials/<slug:slug>/deviations/<int:number>/", deviations.deviation, name="deviation"),
    path(
        "trials/<slug:slug>/deviations/<participant_code:code>/<slug:visit>/<slug:rule>/",
        deviations.deviation_confirm,
        name="deviation-confirm",
    ),
    path(f"{VISIT}values/<int:biomarker>/", visit_form.visit_value, name="visit-value"),
    path("trials/<slug:slug>/values/<int:number>/history/", value_history.result_history, name="result-history"),
    path("trials/<slug:slug>/queries/", queries.queries, name="queries"),
    path("trials/<slug:slug>/queries.csv", queries.queries_csv, name="queries-csv"),
    path("trials/<slug:slug>/queries/<int:number>/", queries.query, name="query"),
    path(f"{PARTICIPANT}queries/new/", queries.query_open, name="query-open"),
    path(f"{PARTICIPANT}source/", verification.participant_source, name="participant-source"),
    path("trials/<slug:slug>/source-verification/", verification.source_verification, name="source-verification"),
    path("trials/<slug:slug>/submissions/", submissions.submissions, name="submissions"),
    path("trials/<slug:slug>/submissions/<uuid:reference>/", submissions.submission, name="submission"),
    path("trials/<slug:slug>/sessions/", sessions.sessions, name="sessions"),
    path("trials/<slug:slug>/sessions/new/", sessions.session_record, name="session-record"),
    path("trials/<slug:slug>/sessions/<int:number>/retract/", sessions.session_retract, name="session-retract"),
    path("trials/<slug:slug>/therapy-groups/<slug:code>/session/", sessions.session_group, name="session-group"),
]

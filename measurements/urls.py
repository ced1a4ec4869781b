"""Addresses of this app's pages."""

from django.urls import path

from measurements.views import (
    assays,
    biomarkers,
    cross_over,
    deviations,
    double_entry,
    grid,
    laboratories,
    plates,
    queries,
    questionnaires,
    result_template,
    schedule,
    sessions,
    spirit,
    submissions,
    uploads,
    value_history,
    verification,
    visit_form,
)

PARTICIPANT = "trials/<slug:slug>/participants/<participant_code:code>/"
VISIT = f"{PARTICIPANT}visits/<slug:visit>/"
SUBMISSION = "trials/<slug:slug>/submissions/<uuid:reference>/"
UPLOAD = "trials/<slug:slug>/uploads/<uuid:reference>/"

urlpatterns = [
    path("trials/<slug:slug>/registration/schedule/", spirit.schedule, name="spirit-schedule"),
    path("trials/<slug:slug>/registration/schedule/spirit.csv", spirit.schedule_csv, name="spirit-schedule-csv"),
    path("trials/<slug:slug>/biomarkers/", biomarkers.biomarkers, name="biomarkers"),
    path("trials/<slug:slug>/assays/", assays.assays, name="assays"),
    path("trials/<slug:slug>/assays/assays.csv", assays.assays_csv, name="assays-csv"),
    path("trials/<slug:slug>/assays/new/", assays.assay_new, name="assay-new"),
    path("trials/<slug:slug>/assays/<int:number>/", assays.assay, name="assay"),
    path("trials/<slug:slug>/plates/", plates.plates, name="plates"),
    path("trials/<slug:slug>/plates/plates.csv", plates.plates_csv, name="plates-csv"),
    path("trials/<slug:slug>/plates/<int:laboratory>/", plates.plate, name="plate"),
    path("trials/<slug:slug>/plates/controls/", plates.control_materials, name="control-materials"),
    path("trials/<slug:slug>/plates/controls/<int:number>/", plates.control_material, name="control-material"),
    path("trials/<slug:slug>/plates/layouts/", plates.plate_layouts, name="plate-layouts"),
    path("trials/<slug:slug>/plates/layouts/<uuid:reference>/", plates.plate_layout, name="plate-layout"),
    path(
        "trials/<slug:slug>/plates/layouts/<uuid:reference>/layout.csv",
        plates.plate_layout_csv,
        name="plate-layout-csv",
    ),
    path(VISIT, visit_form.visit_form, name="visit-form"),
    path(f"{VISIT}questionnaires/<slug:instrument>/", questionnaires.questionnaire, name="questionnaire"),
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
    path("trials/<slug:slug>/entry/", grid.entry, name="entry"),
    path("trials/<slug:slug>/entry/grid/", grid.entry_grid, name="entry-grid"),
    path("trials/<slug:slug>/entry/grid/check/", grid.entry_check, name="entry-check"),
    path("trials/<slug:slug>/entry/twice/", double_entry.entry_batches, name="entry-batches"),
    path("trials/<slug:slug>/entry/twice/<int:number>/", double_entry.entry_batch, name="entry-batch"),
    path(
        "trials/<slug:slug>/entry/twice/<int:number>/check/", double_entry.entry_batch_check, name="entry-batch-check"
    ),
    path("trials/<slug:slug>/entry/twice/<int:number>/compare/", double_entry.entry_compare, name="entry-compare"),
    path("trials/<slug:slug>/values/<int:number>/history/", value_history.result_history, name="result-history"),
    path("trials/<slug:slug>/queries/", queries.queries, name="queries"),
    path("trials/<slug:slug>/queries.csv", queries.queries_csv, name="queries-csv"),
    path("trials/<slug:slug>/queries/<int:number>/", queries.query, name="query"),
    path(f"{PARTICIPANT}queries/new/", queries.query_open, name="query-open"),
    path(f"{PARTICIPANT}source/", verification.participant_source, name="participant-source"),
    path("trials/<slug:slug>/source-verification/", verification.source_verification, name="source-verification"),
    path("trials/<slug:slug>/laboratories/", laboratories.laboratories, name="laboratories"),
    path("trials/<slug:slug>/laboratories.csv", laboratories.laboratories_csv, name="laboratories-csv"),
    path("trials/<slug:slug>/laboratories/<slug:code>/", laboratories.laboratory, name="laboratory"),
    path("trials/<slug:slug>/laboratories/<slug:code>/end/", laboratories.laboratory_end, name="laboratory-end"),
    path(
        "trials/<slug:slug>/credentials/<int:number>/rotate/", laboratories.credential_rotate, name="credential-rotate"
    ),
    path(
        "trials/<slug:slug>/credentials/<int:number>/revoke/", laboratories.credential_revoke, name="credential-revoke"
    ),
    path("trials/<slug:slug>/sandbox/empty/", laboratories.sandbox_empty, name="sandbox-empty"),
    path("trials/<slug:slug>/submissions/", submissions.submissions, name="submissions"),
    path("trials/<slug:slug>/submissions/<uuid:reference>/", submissions.submission, name="submission"),
    path(f"{SUBMISSION}report.csv", submissions.submission_report_csv, name="submission-report"),
    path(f"{SUBMISSION}file/", submissions.submission_file, name="submission-file"),
    path(f"{SUBMISSION}returned/", submissions.submission_returned, name="submission-returned"),
    path("trials/<slug:slug>/uploads/template.xlsx", result_template.result_template, name="upload-template"),
    path("trials/<slug:slug>/uploads/new/", uploads.upload_new, name="upload-new"),
    path(UPLOAD, uploads.upload, name="upload"),
    path(f"{UPLOAD}columns/", uploads.upload_columns, name="upload-columns"),
    path(f"{UPLOAD}save/", uploads.upload_save, name="upload-save"),
    path(f"{UPLOAD}returned/", uploads.upload_returned, name="upload-returned"),
    path("trials/<slug:slug>/sessions/", sessions.sessions, name="sessions"),
    path("trials/<slug:slug>/sessions/new/", sessions.session_record, name="session-record"),
    path("trials/<slug:slug>/sessions/<int:number>/retract/", sessions.session_retract, name="session-retract"),
    path("trials/<slug:slug>/therapy-groups/<slug:code>/session/", sessions.session_group, name="session-group"),
]

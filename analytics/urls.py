"""Addresses of this app's pages."""

from django.urls import path

from analytics.views import (
    baseline_table,
    course,
    drift,
    effects,
    effects_card,
    exports,
    flow,
    home,
    life,
    overview,
    participants,
    recruitment,
    rehearsals,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("trials/<slug:slug>/", overview.trial_overview, name="trial-overview"),
    path("trials/<slug:slug>/effects/", effects.effects, name="effects"),
    path("trials/<slug:slug>/effects/card/", effects_card.effects_card_part, name="effects-card"),
    path("trials/<slug:slug>/flow/", flow.flow, name="flow"),
    path("trials/<slug:slug>/flow.svg", flow.flow_svg, name="flow-svg"),
    path("trials/<slug:slug>/recruitment/", recruitment.recruitment, name="recruitment"),
    path("trials/<slug:slug>/recruitment.svg", recruitment.recruitment_svg, name="recruitment-svg"),
    path("trials/<slug:slug>/baseline-table/", baseline_table.baseline_table, name="baseline-table"),
    path("trials/<slug:slug>/baseline-table.csv", baseline_table.baseline_table_csv, name="baseline-table-csv"),
    path("trials/<slug:slug>/participants/", participants.participants, name="participants"),
    path("trials/<slug:slug>/participants/<participant_code:code>/", participants.participant, name="participant"),
    path("trials/<slug:slug>/life/", life.trial_life, name="trial-life"),
    path("trials/<slug:slug>/move/", life.trial_move, name="trial-move"),
    path("trials/<slug:slug>/move/<int:number>/sign/", life.trial_move_sign, name="trial-move-sign"),
    path("trials/<slug:slug>/move/<int:number>/refuse/", life.trial_move_refuse, name="trial-move-refuse"),
    path("trials/<slug:slug>/data-move/", life.trial_data_move, name="trial-data-move"),
    path("trials/<slug:slug>/rehearsals/", rehearsals.rehearsals, name="rehearsals"),
    path("trials/<slug:slug>/rehearsals/list/", rehearsals.rehearsals_part, name="rehearsals-list"),
    path("trials/<slug:slug>/rehearsals/<int:number>/retry/", rehearsals.rehearsal_retry, name="rehearsal-retry"),
    path("trials/<slug:slug>/rehearsals/<int:number>/archive/", rehearsals.rehearsal_archive, name="rehearsal-archive"),
    path(
        "trials/<slug:slug>/participants/<participant_code:code>/course/",
        course.participant_course,
        name="participant-course",
    ),
    path(
        "trials/<slug:slug>/participants/<participant_code:code>/course/<slug:kind>/",
        course.participant_happening,
        name="participant-happening",
    ),
    path(
        "trials/<slug:slug>/participants/<participant_code:code>/events/<int:number>/strike/",
        course.event_retract,
        name="participant-event-retract",
    ),
    path("trials/<slug:slug>/drift/", drift.drift, name="drift"),
    path("trials/<slug:slug>/drift/controls.csv", drift.drift_csv, name="drift-csv"),
    path("trials/<slug:slug>/exports/", exports.exports, name="exports"),
    path("trials/<slug:slug>/exports/list/", exports.exports_part, name="exports-list"),
    path("exports/<uuid:reference>/", exports.export_file, name="export-file"),
]

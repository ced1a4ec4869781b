"""Addresses of this app's part of the API, below /api/v1/."""

from django.urls import path

from analytics.api import reporting, views

urlpatterns = [
    path("trials/<slug:slug>/estimates/", views.Estimates.as_view(), name="api-estimates"),
    path("trials/<slug:slug>/descriptives/", views.Descriptives.as_view(), name="api-descriptives"),
    path("trials/<slug:slug>/consort/", reporting.Consort.as_view(), name="api-consort"),
    path("trials/<slug:slug>/recruitment/", reporting.Recruitment.as_view(), name="api-recruitment"),
    path("trials/<slug:slug>/recruitment.csv", reporting.RecruitmentCsv.as_view(), name="api-recruitment-csv"),
    path("trials/<slug:slug>/baseline-table/", reporting.Baseline.as_view(), name="api-baseline-table"),
    path("trials/<slug:slug>/baseline-table.csv", reporting.BaselineCsv.as_view(), name="api-baseline-table-csv"),
    path("trials/<slug:slug>/exports/", views.Exports.as_view(), name="api-exports"),
    path("exports/<uuid:reference>/", views.ExportDetail.as_view(), name="api-export"),
    path("exports/<uuid:reference>/download/", views.ExportDownload.as_view(), name="api-export-download"),
    path("trials/<slug:slug>/participants.csv", views.ParticipantsCsv.as_view(), name="api-participants-csv"),
    path("trials/<slug:slug>/results.csv", views.ResultsCsv.as_view(), name="api-results-csv"),
    path("trials/<slug:slug>/analysis.csv", views.AnalysisCsv.as_view(), name="api-analysis-csv"),
    path("trials/<slug:slug>/estimates.csv", views.EstimatesCsv.as_view(), name="api-estimates-csv"),
]

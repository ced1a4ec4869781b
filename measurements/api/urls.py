"""Addresses of this app's part of the API, below /api/v1/."""

from django.urls import path, re_path

from measurements.api import fhir, reports, sessions, views

urlpatterns = [
    path("trials/<slug:slug>/results/", views.Results.as_view(), name="api-results"),
    path("trials/<slug:slug>/biomarkers/", views.Biomarkers.as_view(), name="api-biomarkers"),
    path("trials/<slug:slug>/specimens/", views.Specimens.as_view(), name="api-specimens"),
    path("trials/<slug:slug>/sessions/", sessions.Sessions.as_view(), name="api-sessions"),
    path("trials/<slug:slug>/submissions/<uuid:reference>/", views.SubmissionDetail.as_view(), name="api-submission"),
    path(
        "trials/<slug:slug>/submissions/<uuid:reference>/report.csv",
        reports.SubmissionReport.as_view(),
        name="api-submission-report",
    ),
]

# FHIR's addresses end without a slash; one that has it is taken as well.
FHIR = r"^trials/(?P<slug>[-a-zA-Z0-9_]+)/fhir"
urlpatterns += [
    re_path(rf"{FHIR}/?$", fhir.Base.as_view(), name="fhir"),
    re_path(rf"{FHIR}/metadata/?$", fhir.Metadata.as_view(), name="fhir-metadata"),
    re_path(rf"{FHIR}/Observation/?$", fhir.Observations.as_view(), name="fhir-observations"),
    re_path(
        rf"{FHIR}/Observation/(?P<number>[0-9]{{1,18}})/?$", fhir.ObservationDetail.as_view(), name="fhir-observation"
    ),
    re_path(rf"{FHIR}/Specimen/?$", fhir.Specimens.as_view(), name="fhir-specimens"),
    re_path(rf"{FHIR}/Specimen/(?P<number>[0-9]{{1,18}})/?$", fhir.SpecimenDetail.as_view(), name="fhir-specimen"),
    re_path(rf"{FHIR}/ResearchSubject/?$", fhir.Subjects.as_view(), name="fhir-subjects"),
    re_path(rf"{FHIR}/ResearchSubject/(?P<number>[0-9]{{1,18}})/?$", fhir.SubjectDetail.as_view(), name="fhir-subject"),
    re_path(rf"{FHIR}/ResearchStudy/?$", fhir.Studies.as_view(), name="fhir-studies"),
    re_path(rf"{FHIR}/ResearchStudy/(?P<number>[0-9]{{1,18}})/?$", fhir.StudyDetail.as_view(), name="fhir-study"),
    re_path(rf"{FHIR}/(?P<rest>.+)$", fhir.Elsewhere.as_view(), name="fhir-elsewhere"),
]

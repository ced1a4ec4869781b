"""Addresses of this app's pages."""

from django.urls import path

from measurements.views import biomarkers, submissions, visit_form

VISIT = "trials/<slug:slug>/participants/<participant_code:code>/visits/<slug:visit>/"

urlpatterns = [
    path("trials/<slug:slug>/biomarkers/", biomarkers.biomarkers, name="biomarkers"),
    path(VISIT, visit_form.visit_form, name="visit-form"),
    path(f"{VISIT}attendance/", visit_form.visit_attendance, name="visit-attendance"),
    path(f"{VISIT}values/<int:biomarker>/", visit_form.visit_value, name="visit-value"),
    path("trials/<slug:slug>/submissions/", submissions.submissions, name="submissions"),
    path("trials/<slug:slug>/submissions/<uuid:reference>/", submissions.submission, name="submission"),
]

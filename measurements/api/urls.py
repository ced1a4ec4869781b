"""Addresses of this app's part of the API, below /api/v1/."""

from django.urls import path

from measurements.api import sessions, views

urlpatterns = [
    path("trials/<slug:slug>/results/", views.Results.as_view(), name="api-results"),
    path("trials/<slug:slug>/biomarkers/", views.Biomarkers.as_view(), name="api-biomarkers"),
    path("trials/<slug:slug>/specimens/", views.Specimens.as_view(), name="api-specimens"),
    path("trials/<slug:slug>/sessions/", sessions.Sessions.as_view(), name="api-sessions"),
    path("trials/<slug:slug>/submissions/<uuid:reference>/", views.SubmissionDetail.as_view(), name="api-submission"),
]

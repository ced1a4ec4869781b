"""Addresses of this app's part of the API, below /api/v1/."""

from django.urls import path

from trials.api import registration, safety, views
from trials.api.files import DOCUMENTS, client_file, document

urlpatterns = [
    path("client.py", client_file, name="api-client"),
    *(path(f"docs/{name}.md", document, {"name": name}, name=f"api-docs-{name}") for name in DOCUMENTS),
    path("trials/", views.TrialList.as_view(), name="api-trials"),
    path("trials/<slug:slug>/", views.TrialDetail.as_view(), name="api-trial"),
    path("trials/<slug:slug>/visits/", views.VisitList.as_view(), name="api-visits"),
    path("trials/<slug:slug>/registration/who/", registration.WhoRecord.as_view(), name="api-registration-who"),
    path("trials/<slug:slug>/registration/ctgov/", registration.CtgovRecord.as_view(), name="api-registration-ctgov"),
    path("trials/<slug:slug>/adverse-events/", safety.AdverseEvents.as_view(), name="api-adverse-events"),
    path("trials/<slug:slug>/participants/", views.ParticipantList.as_view(), name="api-participants"),
    path(
        "trials/<slug:slug>/participants/<participant_code:code>/randomize/",
        views.ParticipantRandomize.as_view(),
        name="api-randomize",
    ),
]

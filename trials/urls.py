"""Addresses of this app's pages."""

from django.urls import path

from trials.views import audit_trail, design, enrolment, people, unblinding

urlpatterns = [
    path("new-trial/", design.trial_create, name="trial-create"),
    path("tokens/", people.tokens, name="tokens"),
    path("tokens/<int:number>/revoke/", people.token_revoke, name="token-revoke"),
    path("trials/<slug:slug>/protocol/", design.protocol, name="protocol"),
    path("trials/<slug:slug>/enrol/", enrolment.enrol, name="enrol"),
    path("trials/<slug:slug>/enrol/<int:number>/", enrolment.enrol_person, name="enrol-person"),
    path("trials/<slug:slug>/people/", people.people, name="people"),
    path("trials/<slug:slug>/people/<int:number>/end/", people.role_end, name="role-end"),
    path("trials/<slug:slug>/laboratories/", people.laboratories, name="laboratories"),
    path("trials/<slug:slug>/credentials/<int:number>/revoke/", people.credential_revoke, name="credential-revoke"),
    path(
        "trials/<slug:slug>/participants/<participant_code:code>/unblind/",
        unblinding.unblind,
        name="unblind-participant",
    ),
    path("trials/<slug:slug>/unblindings/", unblinding.unblindings, name="unblindings"),
    path("trials/<slug:slug>/audit/", audit_trail.audit_trail, name="audit-trail"),
]

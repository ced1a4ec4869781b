"""Addresses of this app's pages."""

from django.urls import path

from trials.views import (
    audit_trail,
    consent,
    design,
    enrolment,
    identities,
    invitations,
    outbox,
    people,
    randomization,
    registry,
    safety,
    screening,
    therapy,
    unblinding,
)

urlpatterns = [
    path("new-trial/", design.trial_create, name="trial-create"),
    path("tokens/", people.tokens, name="tokens"),
    path("tokens/<int:number>/revoke/", people.token_revoke, name="token-revoke"),
    path("invitations/", invitations.invitations, name="invitations"),
    path("invitations/<int:number>/resend/", invitations.platform_invitation_resend, name="platform-invitation-resend"),
    path("invitations/<int:number>/revoke/", invitations.platform_invitation_revoke, name="platform-invitation-revoke"),
    path("invitation/accept/", invitations.invitation_accept, name="invitation-accept"),
    path("invitation/<str:token>/", invitations.invitation, name="invitation"),
    path("outbox/", outbox.outbox, name="outbox"),
    path("outbox.csv", outbox.outbox_csv, name="outbox-csv"),
    path("outbox/<int:number>/", outbox.outbox_message, name="outbox-message"),
    path("outbox/<int:number>/resend/", outbox.outbox_resend, name="outbox-resend"),
    path("trials/<slug:slug>/protocol/", design.protocol, name="protocol"),
    path("trials/<slug:slug>/design/", design.trial_revise, name="trial-revise"),
    path("trials/<slug:slug>/protocol/amend/", registry.protocol_amend, name="protocol-amend"),
    path("trials/<slug:slug>/protocol/interventions/", registry.protocol_interventions, name="protocol-interventions"),
    path("trials/<slug:slug>/protocol/versions/", registry.protocol_versions, name="protocol-versions"),
    path("trials/<slug:slug>/protocol/difference/", registry.protocol_difference, name="protocol-difference"),
    path("trials/<slug:slug>/registration/", registry.registration, name="registration"),
    path("trials/<slug:slug>/registration/edit/", registry.registration_edit, name="registration-edit"),
    path("trials/<slug:slug>/registration/<str:name>", registry.registration_file, name="registration-file"),
    path("trials/<slug:slug>/enrol/", enrolment.enrol, name="enrol"),
    path("trials/<slug:slug>/enrol/<int:number>/", enrolment.enrol_person, name="enrol-person"),
    path("trials/<slug:slug>/screening-log/", screening.screening_log_page, name="screening-log"),
    path("trials/<slug:slug>/screening-log/csv/", screening.screening_log_csv, name="screening-log-csv"),
    path("trials/<slug:slug>/consent-forms/", consent.consent_forms, name="consent-forms"),
    path(
        "trials/<slug:slug>/participants/<participant_code:code>/consent/",
        consent.participant_consent,
        name="participant-consent",
    ),
    path(
        "trials/<slug:slug>/participants/<participant_code:code>/identity/",
        identities.participant_identity,
        name="participant-identity",
    ),
    path("trials/<slug:slug>/people/", people.people, name="people"),
    path("trials/<slug:slug>/people.csv", people.people_csv, name="people-csv"),
    path("trials/<slug:slug>/people/<int:number>/end/", people.role_end, name="role-end"),
    path(
        "trials/<slug:slug>/invitations/<int:number>/resend/", invitations.invitation_resend, name="invitation-resend"
    ),
    path(
        "trials/<slug:slug>/invitations/<int:number>/revoke/", invitations.invitation_revoke, name="invitation-revoke"
    ),
    path("trials/<slug:slug>/who-sees-what/", people.who_sees_what, name="who-sees-what"),
    path("trials/<slug:slug>/who-sees-what.csv", people.who_sees_what_csv, name="who-sees-what-csv"),
    path("trials/<slug:slug>/delegation-log/", people.delegation_log, name="delegation-log"),
    path("trials/<slug:slug>/delegation-log.csv", people.delegation_log_csv, name="delegation-log-csv"),
    path("trials/<slug:slug>/laboratories/", people.laboratories, name="laboratories"),
    path("trials/<slug:slug>/credentials/<int:number>/revoke/", people.credential_revoke, name="credential-revoke"),
    path(
        "trials/<slug:slug>/participants/<participant_code:code>/unblind/",
        unblinding.unblind,
        name="unblind-participant",
    ),
    path("trials/<slug:slug>/unblindings/", unblinding.unblindings, name="unblindings"),
    path("trials/<slug:slug>/randomization/", randomization.randomization, name="randomization"),
    path("trials/<slug:slug>/randomization/errors.csv", randomization.errors_csv, name="randomization-errors-csv"),
    path("trials/<slug:slug>/randomization/replay/", randomization.replay, name="allocation-replay"),
    path(
        "trials/<slug:slug>/randomization/allocation-replay.json",
        randomization.replay_json,
        name="allocation-replay-json",
    ),
    path(
        "trials/<slug:slug>/randomization/verify_allocation.py", randomization.script, name="verify-allocation-script"
    ),
    path(
        "trials/<slug:slug>/participants/<participant_code:code>/randomized-in-error/",
        randomization.in_error,
        name="randomized-in-error",
    ),
    path("trials/<slug:slug>/audit/", audit_trail.audit_trail, name="audit-trail"),
    path("trials/<slug:slug>/therapy-groups/", therapy.groups, name="therapy-groups"),
    path("trials/<slug:slug>/therapy-groups/<slug:code>/", therapy.group, name="therapy-group"),
    path("trials/<slug:slug>/therapy-groups/<slug:code>/randomize/", therapy.group_randomize, name="randomize-group"),
    path(
        "trials/<slug:slug>/therapy-groups/<slug:code>/members/<int:number>/leave/",
        therapy.member_leave,
        name="therapy-leave",
    ),
    path("trials/<slug:slug>/therapists/<slug:code>/", therapy.therapist_active, name="therapist-active"),
    path("trials/<slug:slug>/safety/", safety.safety, name="safety"),
    path("trials/<slug:slug>/safety/new/", safety.adverse_event_new, name="adverse-event-new"),
    path("trials/<slug:slug>/safety/<participant_code:code>/<int:number>/", safety.adverse_event, name="adverse-event"),
]

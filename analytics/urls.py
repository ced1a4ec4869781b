"""Addresses of this app's pages."""

from django.urls import path

from analytics.views import effects, effects_card, exports, home, overview, participants

urlpatterns = [
    path("", home.home, name="home"),
    path("trials/<slug:slug>/", overview.trial_overview, name="trial-overview"),
    path("trials/<slug:slug>/effects/", effects.effects, name="effects"),
    path("trials/<slug:slug>/effects/card/", effects_card.effects_card_part, name="effects-card"),
    path("trials/<slug:slug>/participants/", participants.participants, name="participants"),
    path("trials/<slug:slug>/participants/<participant_code:code>/", participants.participant, name="participant"),
    path("trials/<slug:slug>/exports/", exports.exports, name="exports"),
    path("trials/<slug:slug>/exports/list/", exports.exports_part, name="exports-list"),
    path("exports/<uuid:reference>/", exports.export_file, name="export-file"),
]

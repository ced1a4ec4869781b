"""Addresses of this app's pages."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from measurements.views import biomarkers, submissions, visit_form


class StudyCodeConverter(StringConverter):
    """A participant's code: what does not print is no code, and a NUL would be refused by the database."""

    def to_python(self, value: str) -> str:
        """Return the code; ValueError, which is 404, for one that cannot exist."""
        if not value.isprintable():
            raise ValueError(value)
        return value


register_converter(StudyCodeConverter, "study-code")
VISIT = "trials/<slug:slug>/participants/<study-code:code>/visits/<slug:visit>/"

urlpatterns = [
    path("trials/<slug:slug>/biomarkers/", biomarkers.biomarkers, name="biomarkers"),
    path(VISIT, visit_form.visit_form, name="visit-form"),
    path(f"{VISIT}attendance/", visit_form.visit_attendance, name="visit-attendance"),
    path(f"{VISIT}values/<int:biomarker>/", visit_form.visit_value, name="visit-value"),
    path("trials/<slug:slug>/submissions/", submissions.submissions, name="submissions"),
    path("trials/<slug:slug>/submissions/<uuid:reference>/", submissions.submission, name="submission"),
]

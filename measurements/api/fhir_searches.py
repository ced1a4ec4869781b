"""The parameters of a search in FHIR: which a resource has, and what stands in them."""

from collections.abc import Iterable
from datetime import datetime
from typing import NoReturn

from django.http import QueryDict
from django.utils import timezone

from measurements.api.deliveries import refuse
from measurements.fhir.systems import LOINC, Systems, is_same_system
from measurements.models import Biomarker
from measurements.validation.findings import NotedError
from measurements.validation.timestamps import parse_collected_at
from trials.api.pagination import ByCursor
from trials.models import Trial

MOST = 1000
LONGEST = 2000
OF_ALL = ("_count", "cursor", "_format")
SEARCHES: dict[str, dict[str, str]] = {
    "Observation": {
        "_id": "token",
        "_lastUpdated": "date",
        "code": "token",
        "specimen": "reference",
        "specimen:identifier": "token",
        "subject": "reference",
        "subject:identifier": "token",
    },
    "Specimen": {
        "_id": "token",
        "identifier": "token",
        "subject": "reference",
        "subject:identifier": "token",
    },
    "ResearchSubject": {"_id": "token", "identifier": "token"},
    "ResearchStudy": {"_id": "token"},
}
"""What each resource can be searched by, with FHIR's type of parameter."""


class FhirPages(ByCursor):
    """Pages of a search, `_count` to a page."""

    page_size_query_param = "_count"
    max_page_size = MOST


class Search:
    """The parameters of one request, looked at once: unknown ones are refused, as everywhere in this API."""

    def __init__(self, query: QueryDict, kind: str, systems: Systems) -> None:
        self._query = query
        self.systems = systems
        known = (*SEARCHES[kind], *OF_ALL)
        for name in query:
            if name not in known:
                _refuse(
                    name, "parameter_unknown", f"“{name[:60]}” is not a parameter. Send one of: {', '.join(known)}."
                )
            if len(query.getlist(name)) > 1:
                _refuse(name, "parameter_wrong", f"{name} stands twice. Send it once, with commas between values.")
            if len(query[name]) > LONGEST:
                _refuse(name, "parameter_wrong", f"{name} is longer than {LONGEST} characters. Ask in parts.")
        count = query.get("_count", "1")
        if not (count.isascii() and count.isdigit() and 1 <= int(count[:9]) <= MOST):
            _refuse("_count", "parameter_wrong", f"“{count[:60]}” is not a number from 1 to {MOST}.")

    def tokens(self, *names: str, system: str) -> list[str] | None:
        """Return the ids that these parameters name in one of our systems (or in none); None where none was sent."""
        sent = [self._pairs(name) for name in names if name in self._query]
        if not sent:
            return None
        named = [{code for of, code in pairs if of in {None, ""} or is_same_system(of, system)} for pairs in sent]
        return sorted(set.intersection(*named))

    def keys(self, name: str, kind: str) -> list[int] | None:
        """Return the numbers of the resources that a parameter names by id or reference; None where it was not sent."""
        if name not in self._query:
            return None
        texts = (text.removeprefix(f"{self.systems.base}/").removeprefix(f"{kind}/") for text in self._values(name))
        return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) <= 18]

    def participants(self) -> list[str] | None:
        """Return the study codes that `subject` names; None where it was not sent."""
        return self.tokens("subject", "subject:identifier", system=self.systems.identifier("participant"))

    def biomarkers(self, trial: Trial) -> list[int] | None:
        """Return the keys of the biomarkers that `code` names, by the trial's own code or by LOINC."""
        if "code" not in self._query:
            return None
        pairs = self._pairs("code")
        listed = Biomarker.objects.filter(trial=trial)
        return [biomarker.pk for biomarker in listed if any(self._is_code(pair, biomarker) for pair in pairs)]

    def _is_code(self, pair: tuple[str | None, str], biomarker: Biomarker) -> bool:
        system, asked = pair
        is_own = system is None or is_same_system(system, self.systems.codes("biomarker"))
        is_loinc = system in {None, LOINC} and biomarker.loinc_verified
        return (is_own and asked == biomarker.code) or (is_loinc and asked == biomarker.loinc)

    def since(self) -> datetime | None:
        """Return the moment of `_lastUpdated=ge...`."""
        text = self._query.get("_lastUpdated")
        if text is None:
            return None
        # In an address, a plus sign that was not encoded arrives as a space.
        moment = _moment(text.removeprefix("ge").replace(" ", "+"))
        if moment is not None and text.startswith("ge"):
            return moment
        sentence = f"“{text[:60]}” is not ge and a past date and time with an offset, such as ge2026-11-20T08:30:00Z."
        return _refuse("_lastUpdated", "parameter_wrong", sentence)

    def _values(self, name: str) -> list[str]:
        return [text for text in str(self._query[name]).split(",") if text]

    def _pairs(self, name: str) -> list[tuple[str | None, str]]:
        """Return system and code of each token; the system is None where there is no bar, and empty before one."""
        parts: Iterable[tuple[str, str, str]] = (text.rpartition("|") for text in self._values(name))
        return [(system if bar else None, code) for system, bar, code in parts]


def _moment(text: str) -> datetime | None:
    try:
        return parse_collected_at(text, timezone.now())
    except NotedError:
        return None


def _refuse(name: str, code: str, sentence: str) -> NoReturn:
    refuse(422, code, sentence, field=name)

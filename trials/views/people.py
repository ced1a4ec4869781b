"""People and rights, and a person's own tokens."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from trials import audit
from trials.access import Actor, actor_of, has_permission, may_choose_unblinded, require
from trials.forms.credentials import TokenForm
from trials.forms.fields import accepted
from trials.forms.people import MemberFilterForm, MemberForm, ReasonForm
from trials.models import Membership, Trial
from trials.permissions import PERSONAL_SCOPES, Permission, Role
from trials.selectors.delegation import delegations, memberships_ever
from trials.selectors.people import (
    held_role,
    members_like,
    open_invitations,
    own_token,
    tokens_of,
)
from trials.selectors.rights import rights_of, sights_of
from trials.selectors.trials import visible_trial
from trials.services.credentials import (
    create_personal_token,
    revoke_personal_token,
)
from trials.services.invitations import invite_person
from trials.services.people import end_role
from trials.views.csv_answers import csv_answer
from trials.views.invitations import link_of

PAGE_SIZE = 100


@never_cache
@require_http_methods(["GET", "POST"])
def people(request: HttpRequest, slug: str) -> HttpResponse:
    """The members with their roles, and who is invited; posting gives a role or invites to one."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    if request.method == "POST":
        require(by, Permission.PEOPLE_MANAGE, trial)
    may_unblind = may_choose_unblinded(by, trial)
    form = MemberForm(trial, may_unblind=may_unblind, data=request.POST or None)
    context: dict[str, Any] = {"trial": trial, "form": form, "may_unblind": may_unblind}
    if form.is_valid() and accepted(form, lambda: context.update(link=_invite(request, trial, form, by))):
        if not context["link"]:
            messages.success(request, _("%(email)s has the role now, and was told so.") % form.cleaned_data)
            return redirect("people", slug=slug)
        if settings.MAIL_SERVER_BACKEND:
            messages.success(request, _("The invitation to %(email)s is on its way.") % form.cleaned_data)
            return redirect("people", slug=slug)
        context |= {"invited": form.cleaned_data["email"], "form": MemberForm(trial, may_unblind=may_unblind)}
    status = 201 if "invited" in context else _status(request)
    return render(request, "trials/people.html", context | _members(request, trial, by), status=status)


def _invite(request: HttpRequest, trial: Trial, form: MemberForm, by: Actor) -> str | None:
    given = form.cleaned_data
    return invite_person(
        email=given["email"],
        name=given["name"],
        trial=trial,
        role=given["role"],
        site=given["site"],
        by=by,
        link=link_of(request),
    )


def _members(request: HttpRequest, trial: Trial, by: Actor) -> dict[str, Any]:
    """Return what the page shows: one page of the members asked for, and the open invitations."""
    chosen = MemberFilterForm(trial, request.GET)
    found = _chosen_members(request, trial, by)
    may_manage = has_permission(by, Permission.PEOPLE_MANAGE, trial)
    return {
        "filters": chosen,
        "page": Paginator(found, PAGE_SIZE).get_page(request.GET.get("page")),
        "is_filtered": any(request.GET.get(name) for name in chosen.fields),
        "may_manage": may_manage,
        "may_read_log": has_permission(by, Permission.AUDIT_VIEW, trial),
        "invitations": open_invitations(trial, by) if may_manage else [],
    }


def _chosen_members(request: HttpRequest, trial: Trial, by: Actor) -> QuerySet[Membership]:
    asked = request.GET
    return members_like(
        trial,
        by,
        words=asked.get("q", "").strip(),
        role=asked.get("role", ""),
        site=asked.get("site", ""),
        sort=asked.get("sort", ""),
    )


@require_GET
def people_csv(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The members that the page shows, as a file."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    rows = (
        (held.user.name, held.user.email, held.role, held.site.code if held.site else "")
        for held in _chosen_members(request, trial, by)
    )
    return csv_answer(f"{slug}-people", ("person", "email", "role", "site"), rows)


@require_http_methods(["GET", "POST"])
def role_end(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """End a role at once, with a reason."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    held = held_role(number, by, trial)
    form = ReasonForm(request.POST or None)
    if form.is_valid() and accepted(form, lambda: end_role(membership=held, by=by, reason=form.cleaned_data["reason"])):
        words = {"person": held.user, "role": held.get_role_display().lower()}
        messages.success(request, _("%(person)s is no longer %(role)s.") % words)
        return redirect("people", slug=slug)
    context = {"trial": trial, "held": held, "form": form}
    return render(request, "trials/people_role_end.html", context, status=_status(request))


@require_GET
def who_sees_what(request: HttpRequest, slug: str) -> HttpResponse:
    """Which role sees and may do what in this trial, and who holds it."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    context = {
        "trial": trial,
        "roles": [role.label for role in Role],
        "columns": len(Role) + 2,
        "sights": sights_of(trial, by),
        "rights": rights_of(trial, by),
    }
    return render(request, "trials/who_sees_what.html", context)


@require_GET
def who_sees_what_csv(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The same as a file: a line a permission, a column a role."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    header = ("group", "permission", "words", *Role.values, "administrator")
    rows = (
        (group, right.permission.value, right.words, *(reach.value for reach in right.reaches))
        for group, rights in rights_of(trial, by).items()
        for right in rights
    )
    return csv_answer(f"{slug}-who-sees-what", header, rows)


@require_GET
def delegation_log(request: HttpRequest, slug: str) -> HttpResponse:
    """Who was given which tasks, by whom, from when until when."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    page = Paginator(memberships_ever(trial, by), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"trial": trial, "page": page, "delegations": list(delegations(page.object_list))}
    return render(request, "trials/delegation_log.html", context)


@require_GET
def delegation_log_csv(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The whole log as a file; that it was taken out is recorded."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    held = memberships_ever(trial, by)
    audit.record_read("delegation_log.exported", by=by, trial=trial)
    header = ("person", "email", "role", "site", "tasks", "from", "until", "granted_by", "ended_by", "reason")
    rows = (
        (
            each.person,
            each.email,
            each.role,
            each.site,
            "; ".join(each.tasks),
            each.since,
            each.until,
            each.granted_by,
            each.ended_by,
            each.reason,
        )
        for each in delegations(held)
    )
    return csv_answer(f"{slug}-delegation-log", header, rows)


@never_cache
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """A person's own tokens; posting makes one and shows it this once."""
    by = actor_of(request)
    form = TokenForm(PERSONAL_SCOPES, request.POST or None)
    context: dict[str, Any] = {"form": form}
    status = _status(request)

    def make() -> None:
        given = form.cleaned_data
        assert by.user is not None, "pages are for people"  # noqa: S101 - tells the type checker
        context["made"] = create_personal_token(
            user=by.user,
            name=given["name"],
            scopes=given["scopes"],
            expires_at=form.expires_at,
            key=given["key"],
            by=by,
        )

    if form.is_valid() and accepted(form, make):
        context["form"], status = TokenForm(PERSONAL_SCOPES), 201
    context["tokens"] = tokens_of(by)
    return render(request, "trials/tokens.html", context, status=status)


@require_POST
def token_revoke(request: HttpRequest, number: int) -> HttpResponse:
    """End one's own token at once."""
    by = actor_of(request)
    token = own_token(number, by)
    revoke_personal_token(token=token, by=by)
    messages.success(request, _("%(name)s is revoked.") % {"name": token.name})
    return redirect("tokens")


def _status(request: HttpRequest) -> int:
    return 422 if request.method == "POST" else 200

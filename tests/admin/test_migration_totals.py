"""What a migration comes to in money: the first customers at once, all of them by a worker, with its progress."""

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.urls import reverse

from core import clock
from core.ids import to_text
from invoicing.profile_moves import totals as module
from invoicing.profile_moves.preview_move import preview_move
from invoicing.profile_moves.tasks import work_out_impact
from invoicing.profile_moves.totals import add_up_all, announce_totals, totals_of
from tests.admin.moves import draft, two_profiles
from tests.support.desk import page_url
from tests.support.moves import MOVE

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    """The first two while the page waits; a worker takes two at a time."""
    monkeypatch.setattr(module, "MOST_WHILE_WAITING", 2)
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)


@pytest.fixture
def migration(clerk):
    return draft(clerk, *two_profiles(5))


def text(desk, migration):
    url = reverse("admin:invoicing_profilemigration_impact", args=[migration.pk])
    with clock.frozen_at(MOVE):
        return re.sub(r"\s+", " ", re.sub(r"<.*?>", " ", desk.read(f"{url}?totals")))


def ask(desk, migration):
    return desk.post(reverse("admin:invoicing_profilemigration_add-up", args=[migration.pk]))


def added(migration):
    with clock.frozen_at(MOVE):
        totals = totals_of(migration)
    [row] = totals.rows or [None]
    return totals.shown, totals.of, row and (row.count, str(row.before), str(row.after))


def test_the_first_are_shown_at_once_and_the_page_says_so(clerk, migration):
    shown = text(clerk, migration)
    assert "The first 2 of 5 customers who can move." in shown
    assert "Add up all of them" in shown
    assert added(migration) == (2, 5, (2, "100.00", "100.00"))


def test_a_worker_adds_up_all_of_them(clerk, migration):
    assert ask(clerk, migration).headers["Location"] == f"{page_url(migration)}#money"
    shown = text(clerk, migration)
    assert "0 of 5 customers who can move are added up so far" in shown
    with clock.frozen_at(MOVE):
        work_out_impact(to_text(migration.pk))
    assert added(migration) == (5, 5, (5, "250.00", "250.00"))
    shown = text(clerk, migration)
    assert "so far" not in shown
    assert "Add up anew" in shown


def test_asking_while_a_worker_is_at_it_starts_no_second_one(migration):
    assert announce_totals(migration)
    assert not announce_totals(migration)


def test_where_a_worker_dies_the_page_says_so_and_the_next_one_goes_on(clerk, migration, monkeypatch):
    def dies(*, migration, customer_ids):
        batches.append(list(customer_ids))
        if len(batches) == 2:
            raise RuntimeError("killed")
        return preview_move(migration=migration, customer_ids=customer_ids)

    batches = []
    ask(clerk, migration)
    monkeypatch.setattr(module, "preview_move", dies)
    with clock.frozen_at(MOVE), pytest.raises(RuntimeError):
        add_up_all(migration.pk)
    assert "2 of 5 customers who can move are added up so far" in text(clerk, migration)
    monkeypatch.setattr(module, "_SILENCE", timedelta(0))
    shown = text(clerk, migration)
    assert "The worker stopped after 2 of 5 customers who can move." in shown
    assert "Go on adding up" in shown
    monkeypatch.undo()
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    cache.delete(f"migration-totals-worker:{migration.pk}")
    with clock.frozen_at(MOVE):
        add_up_all(migration.pk)
    assert added(migration) == (5, 5, (5, "250.00", "250.00"))


def test_two_workers_do_not_add_up_the_same(migration):
    announce_totals(migration)
    cache.add(f"migration-totals-worker:{migration.pk}", "another", 60)
    with clock.frozen_at(MOVE):
        add_up_all(migration.pk)
    assert added(migration)[:2] == (0, 5)


def test_only_a_post_by_who_may_check_starts_it(auditor, clerk, migration):
    url = reverse("admin:invoicing_profilemigration_add-up", args=[migration.pk])
    assert auditor.post(url).status_code == 403
    assert clerk.get(url).status_code == 405
    assert "Add up all of them" not in text(auditor, migration)
    assert added(migration)[:2] == (2, 5)

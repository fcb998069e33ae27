"""Which class shows a model: the one that builds on all others; one that would lose another is refused."""

import pytest
from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured

from billing_site.backoffice.admin.customer import CustomerPage
from core.admin.registry import page_of
from customers.admin.customer import CustomerAdmin
from customers.models import Customer


def test_the_page_of_the_highest_floor_is_shown():
    assert type(admin.site.get_model_admin(Customer)) is CustomerPage


def test_a_page_that_does_not_build_on_the_known_one_is_refused():
    with pytest.raises(ImproperlyConfigured, match=r"does not build on .*CustomerPage"):

        @page_of(Customer)
        class Other(CustomerAdmin):
            """Would hide what the finance desk adds."""

    assert type(admin.site.get_model_admin(Customer)) is CustomerPage

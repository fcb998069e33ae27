"""A worker that charges what is due, as a process of its own that a test can kill.

Arguments: the time, the test's database, the address of Stripe.
"""

import sys
from datetime import datetime

import django
from django.conf import settings
from django.db import connection

from core import clock

django.setup()

from invoicing.payments.collect import collect_due  # noqa: E402 - its models need Django to be set up


def main() -> None:
    now = datetime.fromisoformat(sys.argv[1])
    connection.settings_dict["NAME"] = sys.argv[2]
    settings.STRIPE_API_BASE = sys.argv[3]
    with clock.frozen_at(now):
        collect_due(as_of=now)


if __name__ == "__main__":
    main()

"""What a worker of the web server does once, before it takes requests."""

import subprocess
import sys

LOOK = """
import gc, sys
import django
from gunicorn.config import Config
from billing_site import web_server
from billing_site.wsgi import application

settings = Config()
settings.set("post_worker_init", web_server.post_worker_init)
settings.post_worker_init(None)
print(gc.get_freeze_count() > 100_000, "entitlements.api.metering.events" in sys.modules)
"""


def test_a_worker_has_its_views_loaded_and_leaves_what_is_loaded_out_of_garbage_collection():
    told = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert told.stdout == "True True\n"

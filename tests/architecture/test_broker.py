"""Every process and thread that sends a task sends it to the broker of the settings."""

import subprocess
import sys
import threading

from celery import current_app
from django.conf import settings


def test_other_threads_send_tasks_to_the_broker_of_the_settings():
    seen = []
    thread = threading.Thread(target=lambda: seen.append((current_app.main, current_app.conf.broker_url)))
    thread.start()
    thread.join()
    assert seen == [("countinghouse", settings.CELERY_BROKER_URL)]


def test_management_commands_send_tasks_to_the_broker_of_the_settings():
    program = "import django; django.setup(); from celery import current_app; print(current_app.main)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "countinghouse"

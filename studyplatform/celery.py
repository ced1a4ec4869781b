"""The Celery application: an accelerator. What is due is a fact in PostgreSQL (see dispatcher.py)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studyplatform.settings")
app = Celery("studyplatform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["analytics"])

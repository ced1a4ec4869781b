"""The reader of workbooks is loaded with the first workbook, not with the process."""

import os
import subprocess
import sys

STARTED = """
import sys, django
django.setup()
import measurements.urls, measurements.api.urls
print("openpyxl" in sys.modules)
"""


def test_openpyxl_is_not_loaded_at_the_start() -> None:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "studyplatform.settings"}
    done = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "False"

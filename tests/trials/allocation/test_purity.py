"""The package can be read and run without the platform."""

import subprocess
import sys
from pathlib import Path

import trials.allocation

ROOT = Path(trials.allocation.__file__).parents[2]


def test_importing_allocation_does_not_import_django():
    modules = sorted(path.stem for path in Path(trials.allocation.__file__).parent.glob("*.py"))
    imports = "\n".join(f"import trials.allocation.{name}" for name in modules if name != "__init__")
    program = f"import sys\n{imports}\nprint([name for name in sys.modules if name.split('.')[0] == 'django'])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

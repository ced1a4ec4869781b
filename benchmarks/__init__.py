"""What the platform costs, beside references measured in the same run; in `benchmarks.prove`, promises at full size.

python -m benchmarks [--quick] [--only NAME ...] [--json FILE]
python -m benchmarks.prove [--only NAME ...]
"""

import os

# Before numpy is loaded: workers compute with one thread, and CPU is only comparable when the references do as well.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

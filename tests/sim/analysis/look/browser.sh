#!/bin/sh
# What test_in_browser.py needs: Debian's Chromium, and the Python package that drives it. Once, as root:
#     sh tests/sim/analysis/look/browser.sh && python -m pytest -m slow tests/sim/analysis/look/test_in_browser.py
set -e
command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y --no-install-recommends chromium fonts-dejavu-core; }
python -c "import playwright" 2>/dev/null || python -m pip install "playwright>=1.49,<2"
chromium --version

#!/usr/bin/env bash
# What a GPU changes, in under eight minutes: the same losses as the CPU, and how fast lanes are beside a loop over PEFT adapters.
#   bash tests/gpu/check.sh --fetch     # where there is a registry: wheels for a bare machine, into build/wheels
#   bash tests/gpu/check.sh [OUTPUT]    # there, with a GPU; torch, transformers and peft must be installed, Flower and Ray need not
#   bash tests/gpu/check.sh --cpu [OUTPUT]   # tiny, on any machine: that the script itself is well
# Leaves OUTPUT/check.json (OUTPUT: the current folder's gpu-check).
set -euo pipefail
cd "$(dirname "$0")/../.."
wheels=build/wheels
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

if [ "${1:-}" = --fetch ]; then
    exec python3 -m pip download --quiet --dest "$wheels" --no-deps \
        annotated-types optuna colorlog alembic mako sqlalchemy greenlet markdown-it-py mdurl pydantic pydantic-core pygments rich \
        shellingham tomli-w typer typing-inspection pandas python-dateutil pytz tzdata six scipy matplotlib contourpy cycler \
        fonttools kiwisolver pillow pyparsing
fi
tiny=""
if [ "${1:-}" = --cpu ]; then
    tiny=--tiny
    shift
fi
if [ -d "$wheels" ] && ! python3 -c "import matplotlib, optuna, pandas, pydantic, scipy, tomli_w, typer" 2>/dev/null; then
    python3 -m pip install --quiet --no-index --no-deps "$wheels"/*.whl
fi
python3 -m tests.gpu.check $tiny --output "${1:-gpu-check}"

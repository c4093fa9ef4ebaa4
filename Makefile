# Everything a person or CI runs. `make demo` and `make test` need Python 3.11, pip and make, nothing else.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: help demo test check lint bench-speed bench-reasons bench-rules bench-quality bench-gate bench-ladder translations lock sbom faults bench-serve clean

help:
	@echo "make demo           the whole product on a simulated company, in three minutes"
	@echo "make test           everything CI runs"
	@echo "make check          lint, types and import rules only"
	@echo "make bench-quality  the table of model quality on real data"
	@echo "make bench-gate     what the gate says of real data, of a leak and of shuffled labels (20 times)"
	@echo "make bench-ladder   how many churners a logistic regression needs, and how many trees"
	@echo "make bench-rules    the documented rules: speed, and the score against what came of it"
	@echo "make bench-reasons  how fast reasons are told"
	@echo "make bench-speed    the table of speeds (long; needs 8 GiB)"
	@echo "make bench-serve    the service: latency, throughput, start, memory (needs wrk)"
	@echo "make faults         what goes wrong, on purpose: the whole table (an hour)"
	@echo "make sbom           the software bill of materials (CycloneDX): sbom.cdx.json"
	@echo "make translations   collect what people read, for the Chinese translation"
	@echo "make lock           resolve the dependencies anew"

demo: .venv/ready
	@$(BIN)/python -c "import ctypes; ctypes.CDLL('libgomp.so.1')" 2>/dev/null || { \
	  echo "LightGBM needs the system library libgomp1: install it with 'apt-get install libgomp1' (Debian, Ubuntu)" >&2; exit 2; }
	$(BIN)/remora demo

# one thread a worker: two workers on two cores would otherwise wait for each other's threads
test: check
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench-speed: .venv/ready
	PYTHONPATH=. $(BIN)/python tests/benchmarks/speed.py

bench-reasons: .venv/ready
	PYTHONPATH=. $(BIN)/python tests/benchmarks/reasons.py

bench-gate: .venv/ready
	PYTHONPATH=. $(BIN)/python -W ignore tests/benchmarks/gate.py

bench-ladder: .venv/ready
	PYTHONPATH=. $(BIN)/python tests/benchmarks/ladder.py

bench-rules: .venv/ready
	PYTHONPATH=. $(BIN)/python tests/benchmarks/rules.py
	PYTHONPATH=. $(BIN)/python tests/benchmarks/cross_sell.py
	PYTHONPATH=. $(BIN)/python tests/benchmarks/score_against_outcome.py

bench-quality: .venv/ready
	PYTHONPATH=. $(BIN)/python tests/benchmarks/quality.py

# uv makes this fast; every package is checked against its hash
.venv/ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: install it, or name it with 'make PYTHON=…'" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps --editable .
	@touch $@

# messages marked with _ or N_ → remora.pot → remora.po, where the new ones wait for their Chinese → remora.mo
translations: .venv/ready
	$(BIN)/pybabel -q extract --omit-header --add-location=file --sort-by-file --no-wrap --output features/locale/remora.pot \
	  features models training monitoring serving
	$(BIN)/pybabel -q update --ignore-pot-creation-date --ignore-obsolete --no-fuzzy-matching --no-wrap \
	  --domain remora --locale zh --input-file features/locale/remora.pot --output-dir features/locale
	$(BIN)/pybabel compile --statistics --domain remora --directory features/locale

lock:
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --quiet --output-file requirements.lock
	$(BIN)/uv pip compile serving/requirements.in --constraint requirements.lock --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet \
	  --output-file serving/requirements.lock

sbom: .venv/ready
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
	  --spec-version 1.6 --output-format JSON --output-file sbom.cdx.json $(BIN)/python

faults: .venv/ready
	REMORA_FAULTS=full OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest tests/faults tests/serving/test_skew.py

bench-serve: .venv/ready
	PYTHONPATH=. $(BIN)/python tests/benchmarks/serve.py

clean:
	rm -rf .venv demo-company

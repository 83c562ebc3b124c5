# make demo   sets everything up, runs the main job on a simulated recording, opens napari
# make test   sets everything up, runs the tests (starts Xvfb itself where there is no screen)
VENV ?= .venv
BIN  := $(VENV)/bin
# Two processes, a file in one of them: the tests start many workers, and one viewer a process.
# tests/conftest.py says which files come first.
# A process that crashes ends the run: pytest-xdist may wait for ever for one that it starts anew.
PYTEST_FLAGS ?= -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: environment demo test test-all coverage check docs screenshots bench large evidence soak fuzz mutate interop compat wheels clean help

help:
	@sed -n '1,2p' Makefile; echo "also: test-all coverage check docs screenshots bench large evidence soak fuzz mutate interop compat wheels clean"

# Each stamp stands for "the environment has these extras as pyproject.toml asks for them".
$(VENV)/.all: pyproject.toml scripts/setup.sh
	sh scripts/setup.sh $(VENV) all
$(VENV)/.test: pyproject.toml scripts/setup.sh
	sh scripts/setup.sh $(VENV) test
$(VENV)/.docs: pyproject.toml scripts/setup.sh
	sh scripts/setup.sh $(VENV) docs

environment: $(VENV)/.test $(VENV)/.docs

demo: $(VENV)/.all
	$(BIN)/napari-cnmf demo --out demo-out $(DEMO_FLAGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest $(PYTEST_FLAGS) -m "not long"

# The long ones too: what quicker tests say, said again with other inputs and more of them.
test-all: $(VENV)/.test
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

# Lines and branches that the tests run, child processes included; the page is htmlcov/index.html.
coverage: $(VENV)/.test
	$(BIN)/python -m pytest $(PYTEST_FLAGS) --cov --cov-report=term --cov-report=html

# suite2p and nwbinspector want packages that we do not: they have an environment of their own.
INTEROP_VENV ?= .venv-interop
$(INTEROP_VENV)/.interop:
	$(BIN)/python -m venv $(INTEROP_VENV)
	$(INTEROP_VENV)/bin/pip install --quiet nwbinspector "suite2p[gui]"
	touch $@

interop: $(VENV)/.test $(INTEROP_VENV)/.interop
	NAPARI_CNMF_INTEROP_PYTHON=$(INTEROP_VENV)/bin/python $(BIN)/python -m pytest tests/interop tests/engines_caiman tests/io_caiman $(PYTEST_FLAGS)

# A tour of the plugin with each napari, Qt and Python that we support; CORNERS names some of them.
compat: $(VENV)/.test
	$(BIN)/python scripts/compat.py $(CORNERS)

# Hard kills at 200 random moments instead of 8; takes about 15 minutes.
KILLS ?= 200
soak: $(VENV)/.test
	NAPARI_CNMF_KILLS=$(KILLS) $(BIN)/python -m pytest tests/batch/test_kills.py --timeout 7200

# Damaged files of every kind, read in child processes with limits; FUZZ_FLAGS="--kinds nwb --files 50".
fuzz: $(VENV)/.test
	$(BIN)/python scripts/fuzz.py $(FUZZ_FLAGS)

# The tutorials are run, each in an empty folder; then each link and picture of the site is checked.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -q -d site
	$(BIN)/python scripts/check_site.py site

# Each constant of the engine is halved and doubled; MUTATE_FLAGS="finding --sample 5" takes some.
mutate: $(VENV)/.test
	$(BIN)/python scripts/mutate.py $(MUTATE_FLAGS)

# Wheel and sdist, in environments made for it: without napari, and with a napari that stays as it is.
wheels: $(VENV)/.test
	$(BIN)/python scripts/check_wheels.py

# Pictures of the real plugin for README and docs; MOVIE is a two-photon recording.
screenshots: $(VENV)/.test
	xvfb-run -a -s "-screen 0 1920x1200x24" $(BIN)/python scripts/screenshots.py $(MOVIE)

bench: $(VENV)/.test
	$(BIN)/python benchmarks/bench.py

# Cost and growth over frames, pixels and components, an hour; LARGE_FLAGS=--quick takes a minute.
large: $(VENV)/.test
	$(BIN)/python benchmarks/large.py $(LARGE_FLAGS)

# How far the verdict can be trusted; EVIDENCE_FLAGS="--movie REGISTERED.npy" adds cells to a real movie.
EVIDENCE_CACHE ?= .evidence-cache
evidence: $(VENV)/.test
	$(BIN)/python benchmarks/evidence.py --cache $(EVIDENCE_CACHE) --report benchmarks/results/evidence.md $(EVIDENCE_FLAGS)

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell src docs examples tests benchmarks scripts README.md CONTRIBUTING.md CHANGELOG.md
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate --imports napari-cnmf

clean:
	rm -rf $(VENV) .compat build dist site demo-out htmlcov .coverage* .pytest_cache .mypy_cache .ruff_cache

# `make demo` and `make test` are all that a fresh machine with Python 3.11+ and make needs.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
DEMO := runs/digits-$(shell date +%Y%m%d-%H%M%S)

# The kernels are small and the machines that run tests have few cores: threads only get in each other's way.
export OMP_NUM_THREADS ?= 1
# The tests start hundreds of processes: what they import is compiled once, also where the environment forbids to keep it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test test-quick fuzz check bench-lint docs-rules vsix clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "hvaedsl needs Python 3.11 or newer; say which one with make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@command -v uv >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@echo "installing into .venv (torch and torchvision are about 5 GB) ..."
	@PATH="$$PATH:$(CURDIR)/$(BIN)" uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --group dev --editable '.[train,lsp]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/hvaedsl compile specs/cifar_ws.hvae --render
	$(BIN)/hvaedsl train specs/digits.hvae --out $(DEMO)
	@echo
	@echo "the bridge of cifar_ws:      cifar_ws.svg"
	@echo "samples, reconstructions:    $(DEMO)/"
	@echo "numbers:                     $(DEMO)/summary.json"

test: $(INSTALLED) check
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

test-quick: $(INSTALLED)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not long"

# Thousands of drawn specs and damaged ones, other ones each time: about five minutes. What fails is printed smaller.
fuzz: $(INSTALLED)
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -q tests/properties

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The extension for VS Code; it needs node and npm, and nothing of the rest does.
vsix:
	@command -v npm >/dev/null || { echo "the extension is built with node and npm, which are not there"; exit 1; }
	@rm -rf build/vscode && mkdir -p build dist && cp -r editors/vscode build/vscode && cp LICENSE build/vscode/LICENSE.txt
	cd build/vscode && npm install --no-audit --no-fund && npm run package -- --out "$(CURDIR)/dist/hvaedsl.vsix"

docs-rules: $(INSTALLED)
	$(BIN)/hvaedsl explain --markdown docs/rules

bench-lint: $(INSTALLED)
	$(BIN)/python benchmarks/lint.py

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

# One command each for the things people do with Toolworlds. `make` alone lists them.
#
# Values reach the commands through the environment, never by pasting them into a command line, so that spaces, quotes and
# dollars in them arrive as they were typed.

PYTHON   ?= python3
TASKS    ?= 200
ATTEMPTS ?= 2
SEED     ?= 0
RUNNER   ?= local
override SQL := $(value SQL)
export PYTHON DOMAIN TASKS ATTEMPTS SEED RUNNER MODEL USER_MODEL JUDGE WORKERS RUN NAME SQL EPISODE

VENV  := .venv
PY    := $(VENV)/bin/python
READY := $(VENV)/.toolworlds-ready

.DEFAULT_GOAL := help
.PHONY: help setup generate domain-given query show notebook replay check test verify lint bench
.DELETE_ON_ERROR:

help: ## List the commands
	@echo 'usage: make <command> [NAME=value ...]'
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2} /^#:/{print "                  " substr($$0, 4)}' Makefile
	@echo
	@echo 'Start with: make generate DOMAIN=travel'

setup: $(READY) ## Make .venv with everything that the other commands need; they do it by themselves when it is missing
#: PYTHON=python3.12 chooses the interpreter (3.11 or newer)
	@echo 'Ready. Next: make generate DOMAIN=travel'

# The stamp is written last: as long as it is missing, or older than pyproject.toml, the next command installs again.
# An environment that works is kept, whatever PYTHON says. Packages without RECORD were cut off while being installed: pip
# would take them for complete, so they go first.
works = "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
$(READY): pyproject.toml
	@echo 'Setting up $(VENV) (a few minutes the first time; needs the network) ...'
	@works() { $(works); }; \
	if ! works $(PY) || ! $(PY) -m pip --version >/dev/null 2>&1; then \
	  works "$$PYTHON" || { \
	    echo "Toolworlds needs Python 3.11 or newer, and '$$PYTHON' is $$("$$PYTHON" --version 2>/dev/null || echo 'not there')." >&2; \
	    for other in python3.11 python3.12 python3.13 python3.14 /path/to/python3; do if works $$other; then break; fi; done; \
	    echo "Name one that is: make $(or $(MAKECMDGOALS),setup) PYTHON=$$other" >&2; exit 1; }; \
	  "$$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || { \
	    echo "'$$PYTHON' cannot make virtual environments: its venv module is missing." >&2; \
	    echo "On Debian or Ubuntu: sudo apt install python3-venv. Or choose another interpreter with PYTHON=." >&2; exit 1; }; \
	  "$$PYTHON" -m venv --clear $(VENV); \
	fi
	@for package in $(VENV)/lib/python3*/site-packages/*.dist-info; do \
	  [ -e "$$package/RECORD" ] || rm -rf "$$package"; done
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-input --editable '.[models,ray,notebook,test]' || { \
	  echo 'The set-up did not finish: see above. The same command tries again and keeps what is there.' >&2; exit 1; }
	@touch $(READY)

generate: domain-given $(READY) ## Make a dataset: DOMAIN=travel writes runs/travel; the same command resumes
#: TASKS=200 ATTEMPTS=2 SEED=0  how much, and from which seed; raising TASKS or ATTEMPTS extends a run
#: WORKERS=n  worker processes;  RUN=name writes runs/name instead
#: MODEL=expert:mistakes=0.3    who acts, and in which share of episodes it makes a labelled mistake
	@run=$${RUN:-$$(basename -- "$$DOMAIN")}; $(PY) -m pipeline generate --domain "$$DOMAIN" --out "runs/$$run" \
	  --tasks "$$TASKS" --attempts "$$ATTEMPTS" --seed "$$SEED" --runner "$$RUNNER" $${WORKERS:+--workers "$$WORKERS"} \
	  $${MODEL:+--model "$$MODEL"} $${USER_MODEL:+--user "$$USER_MODEL"} $${JUDGE:+--judge "$$JUDGE"}

# Asked before the set-up, so that nobody waits for minutes to be told.
domain-given:
	@[ -n "$$DOMAIN" ] || { echo 'Which domain? For example: make generate DOMAIN=travel' >&2; \
	  echo "There are: $$(ls -d domains/*/ | sed 's|domains/||; s|/$$||' | tr '\n' ' ')" >&2; exit 2; }

# What a person may leave out: the run, when there is only one.
only_run = runs=$$(ls -d runs/*/ 2>/dev/null | sed 's|^runs/||; s|/$$||'); [ -n "$$RUN" ] || RUN=$$runs; \
  [ -n "$$RUN" ] || { echo 'There is no run yet. Make one with: make generate DOMAIN=travel' >&2; exit 2; }; \
  [ -d "runs/$$RUN" ] || { echo 'Which run? Say RUN=name with one of these:' >&2; echo "$$runs" >&2; exit 2; }

query: $(READY) ## Ask a dataset: NAME=funnel RUN=travel, or SQL="select ..." RUN=travel
	@$(only_run); [ -n "$$SQL$$NAME" ] || { echo 'What? NAME= takes one of these, SQL= any select:' >&2; \
	  ls pipeline/queries | sed -n 's/\.sql$$//p' >&2; exit 2; }; \
	if [ -n "$$SQL" ]; then NAME=$$SQL; fi; $(PY) -m pipeline query "$$NAME" --run "runs/$$RUN"

show: $(READY) ## Read a conversation in the terminal: RUN=travel EPISODE=<id>; the first accepted one without EPISODE
	@$(only_run); $(PY) -m pipeline show "runs/$$RUN" $${EPISODE:+"$$EPISODE"}

define run_notebook
import os, nbformat
from nbclient import NotebookClient
notebook, out = nbformat.read("notebooks/inspect_run.ipynb", 4), os.path.join(os.environ["RUN"], "inspect_run.ipynb")
NotebookClient(notebook, kernel_name="python3", extra_arguments=["--IPKernelApp.log_level=40"]).execute()
nbformat.write(notebook, out)
print("Open it in Jupyter or an editor that shows notebooks:", out)
endef
export run_notebook

notebook: $(READY) ## Run the notebook over a dataset: RUN=travel writes runs/travel/inspect_run.ipynb, plots included
	@$(only_run); RUN="$$PWD/runs/$$RUN" $(PY) -c "$$run_notebook"

replay: $(READY) ## Execute every recorded call of a dataset again and compare: RUN=travel (EPISODE=<id> for one row)
	@$(only_run); $(PY) -m pipeline replay "runs/$$RUN" $${EPISODE:+--episode "$$EPISODE"}

check: $(READY) ## Examine a domain from its files: DOMAIN=travel or a folder; all of them without DOMAIN
	@$(PY) -m pipeline check "$${DOMAIN:-all}"

test: $(READY) ## Run the tests (a few minutes, no network)
	@$(PY) -m pytest -n 2 --dist loadfile

verify: $(READY) ## Run the long tables and storms as well
	@$(PY) -m pytest -m 'verify or not verify'

lint: $(READY) ## Look for slips in style, types and layers
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) -m pytest tests/test_layers.py

bench: $(READY) ## Measure what the project claims about speed and memory, beside a control
	@$(PY) -m tests.bench

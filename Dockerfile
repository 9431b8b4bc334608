# One image for every role: its argument says which (web, infer, worker, batch, beat or all), or is a
# command of manage.py.
#
# The base is a Debian 12 with python3, from 3.11 up, and its module venv: the official image of
# Python, or what debootstrap makes.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# Where else wheels may come from: an index of CPU builds of torch.
ARG TORCH_INDEX=""
# Two builds of one source and one base give the same files: no time goes into them.
ARG SOURCE_DATE_EPOCH=315532800
# Debian keeps the headers of its own Python in a package; the official image has its headers.
# hadolint ignore=DL3008,SC2046
RUN headers="$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')" \
    && apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev libmariadb-dev pkg-config \
        $([ -e "${headers}/Python.h" ] || echo python3-dev) \
    && rm -rf /var/lib/apt/lists/*
COPY requirements.txt /tmp/
# Debug information would name pip's random folders; byte code is made below, without times. Nothing
# is compiled, installed or tried in a container: pip, headers and the tests of packages stay here.
RUN python3 -m venv /opt/venv \
    && CFLAGS=-g0 /opt/venv/bin/pip install --no-cache-dir --no-compile \
        ${TORCH_INDEX:+--extra-index-url "${TORCH_INDEX}"} --requirement /tmp/requirements.txt \
    && /opt/venv/bin/pip uninstall --yes pip \
    && find /opt/venv -path '*/torch/bin/*' ! -name torch_shm_manager -delete \
    && find /opt/venv -type d \( -name tests -o -path '*/torch/test' -o -path '*/torch/include' \) \
        -prune -exec rm -rf {} +
ENV PYTHONHASHSEED=0
# Anew, what pip compiled for itself too. A few files of packages are for other Pythons: no error.
RUN python3 -m compileall -qq -f --invalidation-mode unchecked-hash /opt/venv/lib || true
COPY . /app
RUN python3 -m compileall -q -f --invalidation-mode unchecked-hash /app

FROM ${PYTHON_IMAGE}
ARG SOURCE_DATE_EPOCH=315532800
# What Debian has mended since the base was made comes with it.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get upgrade --yes \
    && apt-get install --yes --no-install-recommends bubblewrap libmariadb3 \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/aux-cache \
        /var/log/apt /var/log/*.log \
    && groupadd --system --gid 10001 aihub \
    && useradd --system --key SYS_UID_MAX=10001 --uid 10001 --gid aihub \
        --create-home --home-dir /var/lib/aihub aihub
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
# The root may be read-only: AIHUB_HOME and /tmp are all that is written to.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/var/lib/aihub \
    OMP_WAIT_POLICY=PASSIVE \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AIHUB_HOME=/var/lib/aihub \
    AIHUB_HOST=0.0.0.0 \
    AIHUB_PORT=8000 \
    AIHUB_HEALTH_PORT=8002
USER 10001:10001
VOLUME /var/lib/aihub
EXPOSE 8000 8001 8002
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["sh", "/app/ops/launch/healthcheck.sh"]
ENTRYPOINT ["python", "-m", "ops.launch.container"]
CMD ["all"]
# Last, since they change with every build.
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="AIHub" \
    org.opencontainers.image.description="Publish models once, call every one of them through one API" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"

# Two stages: what builds is not what runs.
FROM python:3.11.14-slim-bookworm AS build

WORKDIR /build
COPY requirements.lock .
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary=:all: \
        --require-hashes --requirement requirements.lock \
    && /venv/bin/pip uninstall --yes --quiet pip setuptools

FROM python:3.11.14-slim-bookworm

# Two arenas keep the threads of image decoding from holding on to memory that they no longer use.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    EASEL_DATA_DIR=/data

RUN groupadd --system --gid 10001 easel \
    && useradd --system --uid 10001 --gid easel --no-create-home --shell /usr/sbin/nologin easel \
    && install --directory --owner easel --group easel /data

WORKDIR /app
COPY --from=build /venv /venv
COPY LICENSE ./
COPY bot ./bot
COPY commands ./commands
COPY adapters ./adapters
RUN python -m compileall -q bot commands adapters

USER 10001:10001
VOLUME /data

HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('EASEL_HTTP_PORT', '8040') + '/healthz', timeout=4)"]

CMD ["python", "-m", "bot"]

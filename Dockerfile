# The workers and the command line, without torch and without the embedded parts.
# Everything installed comes from the lock, with its hashes; nothing is built but Watchkeeper itself.

FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
WORKDIR /source
COPY locks/ locks/
RUN python -m venv /opt/tools \
 && /opt/tools/bin/pip install --require-hashes --only-binary :all: -r locks/bootstrap.txt \
 && python -m venv --without-pip /opt/watchkeeper
COPY pyproject.toml ./
RUN /opt/tools/bin/uv pip install --python /opt/watchkeeper/bin/python --no-build -r pyproject.toml -c locks/all.txt
COPY README.md LICENSE ./
COPY schemas/ schemas/
COPY monitor/ monitor/
COPY workers/ workers/
RUN /opt/tools/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/tools/bin/uv pip install --python /opt/watchkeeper/bin/python --no-deps dist/*.whl

FROM python:3.12-slim-bookworm
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin watchkeeper
COPY --from=build /opt/watchkeeper /opt/watchkeeper
ENV PATH=/opt/watchkeeper/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /
# /livez, for those who restart what is unhealthy: a worker that waits for a part lives.
HEALTHCHECK --interval=15s --timeout=8s --start-period=30s --retries=4 \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9464/livez', timeout=5)"]
ENTRYPOINT ["python", "-m", "workers"]
CMD ["--roles", "moderation,backfill,storage"]

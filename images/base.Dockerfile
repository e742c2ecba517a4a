# What every component's image stands on: the distribution's programs beside Python. Any Debian or Ubuntu with python3 will do.
ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}
ENV LANG=C.UTF-8 PYTHONUNBUFFERED=1
RUN for program in nginx clamd clamdscan initdb; do \
      PATH="$PATH:/usr/sbin:$(echo /usr/lib/postgresql/*/bin)"; \
      command -v $program > /dev/null || lacking=yes; \
    done; \
    [ -z "$lacking" ] || { \
      apt-get update && \
      DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates clamav-daemon clamdscan libmagic1 nginx postgresql python3-venv util-linux && \
      rm -rf /var/lib/apt/lists/*; }

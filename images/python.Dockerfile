# One of the project's hash-pinned Python environments, at /opt/vigie/<name>; its packages were fetched on the machine.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ARG NAME
ARG PYTHON
RUN python3 -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '${PYTHON}')" \
      || { echo "this base image has another Python than ${PYTHON}, for which the packages are" >&2; exit 1; }; \
    python3 -m venv --without-pip /opt/vigie/${NAME}
COPY site-packages /opt/vigie/${NAME}/lib/python${PYTHON}/site-packages

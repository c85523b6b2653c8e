# The image of every part of smsrecon: commands, receive, Prefect workers and their flow runs. It needs no root and no
# writable file system but the folder /data, which is kept, and /tmp:
#   docker build -t smsrecon .
#   docker run --rm --read-only --tmpfs /tmp --user 10001:10001 -v sms:/data --env-file gateway.env smsrecon smsrecon daily
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY pipelines pipelines
COPY sql sql
# The versions are those of requirements.lock, without the tools of development.
RUN python -m venv /opt/uv && awk '/^[^ #]/ {wanted = /^uv==/} wanted' requirements.lock > uv.txt \
    && /opt/uv/bin/pip install --no-cache-dir --require-hashes -r uv.txt
RUN python -m venv --without-pip /opt/smsrecon && /opt/uv/bin/uv pip install --no-cache --compile-bytecode \
    --python /opt/smsrecon/bin/python --constraint requirements.lock --build-constraint requirements.lock ".[shared]"

FROM python:3.12-slim
COPY --from=build /opt/smsrecon /opt/smsrecon
RUN mkdir /data && chown 10001:10001 /data
ENV PATH=/opt/smsrecon/bin:$PATH HOME=/tmp PREFECT_HOME=/data/.prefect PREFECT_SERVER_ANALYTICS_ENABLED=false \
    DO_NOT_TRACK=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 SMSRECON_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
CMD ["smsrecon", "--help"]

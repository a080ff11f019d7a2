# Trains, evaluates, predicts, and exports: docs/docker.md.
ARG BASE=python:3.13.14-slim-trixie

FROM ${BASE} AS build
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir=/wheels /source

FROM ${BASE}
ARG EXTRAS=plots
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir "$(echo /wheels/*.whl)[${EXTRAS}]"
# Everything that a command writes is in /work, also the caches in the home folder.
WORKDIR /work
ENV HOME=/work
RUN useradd --no-create-home --home-dir=/work --uid=1000 keras && chown keras /work
USER 1000
ENTRYPOINT ["keras-resnet"]
CMD ["--help"]

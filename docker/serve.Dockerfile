# Serves exported models over HTTP, without Keras and TensorFlow: docs/docker.md.
ARG BASE=python:3.13.14-slim-trixie

FROM ${BASE} AS build
COPY . /source
# Groups of requirements need pip 25.1. The environment gets no pip of its own.
RUN pip install --no-cache-dir "pip>=25.1,<27" \
    && python -m venv --without-pip /opt/service \
    && pip --python=/opt/service install --no-cache-dir \
        --group=/source/pyproject.toml:base --group=/source/pyproject.toml:serve \
    && pip --python=/opt/service install --no-cache-dir --no-deps /source

FROM ${BASE}
COPY --from=build /opt/service /opt/service
COPY docker/healthcheck.py /opt/service/healthcheck.py
ENV PATH=/opt/service/bin:$PATH
WORKDIR /models
USER 1000
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "/opt/service/healthcheck.py"]
ENTRYPOINT ["keras-resnet", "serve", "--host=0.0.0.0", "--port=8000"]

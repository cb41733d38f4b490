# One image, three commands: `afterloop db upgrade`, `afterloop serve --no-worker`, `afterloop worker`.
FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 AFTERLOOP_DATA=/data AFTERLOOP_HOST=0.0.0.0 GOMP_SPINCOUNT=0
WORKDIR /srv/afterloop
COPY pyproject.toml constraints.txt README.md ./
COPY al_core al_core
COPY tapt tapt
COPY app app
COPY migrations migrations
RUN pip install torch==2.13.0 && pip install --constraint constraints.txt --editable .
RUN useradd --create-home afterloop && mkdir -p /data && chown afterloop /data
USER afterloop
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["afterloop", "serve"]

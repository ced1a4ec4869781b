FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DJANGO_SETTINGS_MODULE=studyplatform.settings STUDYPLATFORM_DATA_DIR=/data
WORKDIR /app
COPY requirements/run.txt requirements/run.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY . .
# The service may read the code and write only its files.
RUN useradd --system --uid 10001 --home-dir /data studyplatform && install -d -o studyplatform -m 0700 /data
USER studyplatform
VOLUME /data
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", "studyplatform.wsgi:application"]

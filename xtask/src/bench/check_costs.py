"""What `dunnage check` costs: the standard library of the Python that runs this, alone and as a program, and manifests.

`check_costs.py PROGRAM FOLDER` writes manifests and a program below FOLDER and prints one JSON object. PROGRAM runs on
each in turn; the processor seconds and the peak of memory are the kernel's own counts of each process.
"""

import json
import os
import platform
import shutil
import statistics
import sys
import sysconfig
import time
from pathlib import Path

ROUNDS = 7
SMALL_ONES = 100_000
BUNDLES = 25
BUNDLE_BYTES = 2_000_000

DEPLOYMENT = """\
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: team-{team}
  labels:
    app.kubernetes.io/name: {name}
    app.kubernetes.io/part-of: shop
    app.kubernetes.io/managed-by: Helm
spec:
  replicas: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
        app.kubernetes.io/part-of: shop
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "9090"
    spec:
      serviceAccountName: {name}
      terminationGracePeriodSeconds: 45
      containers:
        - name: web
          image: registry.example.com/shop/web-{team}:1.{number}
          command: ["gunicorn", "shop.wsgi:app", "--bind=0.0.0.0:8000", "--workers={workers}"]
          ports:
            - name: http
              containerPort: 8000
          env:
            - name: DATABASE_URL
              valueFrom:
                secretKeyRef:
                  name: {name}
                  key: database-url
            - name: LOG_LEVEL
              value: info
            - name: POD_NAME
              valueFrom:
                fieldRef:
                  fieldPath: metadata.name
          resources:
            requests:
              cpu: 250m
              memory: 256Mi
            limits:
              cpu: "1"
              memory: 512Mi
          readinessProbe:
            httpGet:
              path: /ready
              port: http
            periodSeconds: 5
          livenessProbe:
            httpGet:
              path: /live
              port: http
            initialDelaySeconds: 20
          volumeMounts:
            - name: config
              mountPath: /etc/shop
              readOnly: true
        - name: metrics
          image: quay.io/prometheus/statsd-exporter:v0.26.0
          args: ["--statsd.listen-udp=:9125"]
          resources:
            limits:
              memory: 64Mi
      volumes:
        - name: config
          configMap:
            name: {name}
"""

BESIDE = """\
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: team-{team}
spec:
  selector:
    app.kubernetes.io/name: {name}
  ports:
    - name: http
      port: 80
      targetPort: http
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
  namespace: team-{team}
data:
  settings.toml: |
    [shop]
    currency = "EUR"
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {name}
  namespace: team-{team}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: team-{team}
spec:
  rules:
    - host: {name}.example.com
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: {name}
                port:
                  name: http
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {name}
  namespace: team-{team}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {name}
  minReplicas: 2
  maxReplicas: 10
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: 70
"""

DEFINITION = """\
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: things.{name}.example.com
spec:
  group: {name}.example.com
  names:
    kind: Thing
    plural: things
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
"""

FIELD = """\
                field{number}:
                  description: What the controller does with field {number}, in the words of its authors.
                  type: string
"""


SMALL = """\
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop-{number}
  namespace: team-{team}
spec:
  selector:
    matchLabels:
      app: shop-{number}
  template:
    metadata:
      labels:
        app: shop-{number}
    spec:
      containers:
        - name: web
          image: registry.example.com/shop/web-{team}:1.{number}
          command: ["gunicorn", "shop.wsgi:app", "--bind=0.0.0.0:8000", "--workers=2"]
          resources:
            limits:
              cpu: "1"
              memory: 512Mi
"""

PROGRAM = """\
FROM python:3.13
WORKDIR /app
COPY lib main.py /app/
CMD ["python", "main.py"]
"""


def bundle(index):
    """Applications with all that is deployed beside them, and a definition of 120 fields with every tenth."""
    parts, size, number = [], 0, 0
    while size < BUNDLE_BYTES:
        values = {"name": f"shop-{index}-{number}", "team": number % 40, "number": number, "workers": 2 + number % 7}
        text = (DEPLOYMENT + BESIDE).format(**values)
        if number % 10 == 0:
            text += DEFINITION.format(**values) + "".join(FIELD.format(number=field) for field in range(120))
        parts.append(text)
        size += len(text)
        number += 1
    return "".join(parts)


def write_bundles(folder):
    """As files below the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(BUNDLES):
        (folder / f"bundle-{index:02}.yaml").write_text(bundle(index))
    return folder


def write_small_ones(folder):
    """Many Deployments that say little."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(BUNDLES):
        numbers = range(index, SMALL_ONES, BUNDLES)
        text = "".join(SMALL.format(number=number, team=number % 40) for number in numbers)
        (folder / f"small-{index:02}.yaml").write_text(text)
    return folder


def write_program(folder, library):
    """An image whose program imports every module of the library: the facts of all of them are drawn and kept."""
    shutil.rmtree(folder, ignore_errors=True)
    unwanted = shutil.ignore_patterns("site-packages", "__pycache__", "*.so", "*.a")
    shutil.copytree(library, folder / "lib", ignore=unwanted)
    paths = (path.relative_to(folder / "lib").with_suffix("").parts for path in (folder / "lib").rglob("*.py"))
    names = {".".join(parts[:-1] if parts[-1] == "__init__" else parts) for parts in paths}
    modules = sorted(name for name in names if all(part.isidentifier() for part in name.split(".")))
    (folder / "main.py").write_text("".join(f"import {name}\n" for name in modules))
    (folder / "Dockerfile").write_text(PROGRAM)
    return folder


def run(program, folder):
    """Seconds, processor seconds and the peak of memory in MB of one run."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    start = time.monotonic()
    process = os.posix_spawn(
        program,
        [program, "check", str(folder), "--format", "short", "--fail-on", "never"],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, quiet, 1), (os.POSIX_SPAWN_DUP2, quiet, 2)],
    )
    _, status, usage = os.wait4(process, 0)
    took = time.monotonic() - start
    os.close(quiet)
    if status != 0:
        sys.exit(f"{program} check {folder} ended with {status}")
    return {"seconds": took, "cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss * 1024 / 1e6}


def count(folder, pattern):
    """How many files there are, and how many MB; installed packages are not checked."""
    sizes = [path.stat().st_size for path in folder.rglob(pattern) if "site-packages" not in path.parts]
    return {"files": len(sizes), "mb": sum(sizes) / 1e6}


def main():
    program, scratch = sys.argv[1], Path(sys.argv[2])
    library = Path(sysconfig.get_paths()["stdlib"])
    version = f"the standard library of CPython {platform.python_version()}"
    of = {
        version: (library, "*.py"),
        f"{version} as one program": (write_program(scratch / "program", library), "*.py"),
        "bundles of manifests": (write_bundles(scratch / "bundles"), "*.yaml"),
        f"{SMALL_ONES:,} small Deployments": (write_small_ones(scratch / "small"), "*.yaml"),
    }
    runs = {name: [] for name in of}
    for _ in range(ROUNDS):
        for name, (folder, _) in of.items():
            runs[name].append(run(program, folder))
    found = []
    for name, (folder, pattern) in of.items():
        medians = {key: statistics.median(one[key] for one in runs[name]) for key in runs[name][0]}
        found.append({"name": name, **count(folder, pattern), **medians})
    print(json.dumps({"rounds": ROUNDS, "folders": found}))


if __name__ == "__main__":
    main()

//! Names of the standard library, and of packages that are imported under another name than they are installed by.

/// Is it a module of the standard library, of any version from 3.9 to 3.15?
pub(in crate::graph) fn is_standard(name: &str) -> bool {
    STANDARD.split_ascii_whitespace().any(|known| known == name)
}

/// The normalised name under which a well-known package is installed.
pub(in crate::graph) fn distribution(import: &str) -> Option<&'static str> {
    INSTALLED_AS
        .iter()
        .find(|(name, _)| *name == import)
        .map(|(_, installed)| *installed)
}

const STANDARD: &str = "\
    __future__ __main__ _thread _typeshed abc annotationlib antigravity argparse array ast asynchat asyncio asyncore \
    atexit base64 bdb binascii bisect builtins bz2 cProfile calendar cgi cmath cmd code codecs codeop collections \
    colorsys compileall compression concurrent configparser contextlib contextvars copy copyreg crypt csv ctypes \
    curses dataclasses datetime dbm decimal difflib dis distutils doctest email encodings ensurepip enum errno \
    faulthandler fcntl filecmp fileinput fnmatch fractions ftplib functools gc genericpath getopt getpass gettext \
    glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imp importlib inspect io ipaddress itertools \
    json keyword linecache locale logging lzma mailbox marshal math mimetypes mmap modulefinder msvcrt \
    multiprocessing netrc nt ntpath nturl2path numbers opcode operator optparse os pathlib pdb pickle pickletools \
    pipes pkgutil platform plistlib poplib posix posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc \
    pydoc_data pyexpat queue quopri random re readline reprlib resource rlcompleter runpy sched secrets select \
    selectors shelve shlex shutil signal site smtpd smtplib socket socketserver sqlite3 sre_compile sre_constants \
    sre_parse ssl stat statistics string stringprep struct subprocess symtable sys sysconfig syslog tabnanny tarfile \
    telnetlib tempfile termios textwrap this threading time timeit tkinter token tokenize tomllib trace traceback \
    tracemalloc tty turtle turtledemo types typing unicodedata unittest urllib uuid venv warnings wave weakref \
    webbrowser winreg winsound wsgiref xml xmlrpc zipapp zipfile zipimport zlib zoneinfo";

const INSTALLED_AS: [(&str, &str); 112] = [
    ("Crypto", "pycryptodome"),
    ("Levenshtein", "levenshtein"),
    ("MeCab", "mecab-python3"),
    ("MySQLdb", "mysqlclient"),
    ("OpenSSL", "pyopenssl"),
    ("PIL", "pillow"),
    ("Xlib", "python-xlib"),
    ("aiohttp", "aiohttp"),
    ("airflow", "apache-airflow"),
    ("attr", "attrs"),
    ("boto3", "boto3"),
    ("bs4", "beautifulsoup4"),
    ("cairosvg", "cairosvg"),
    ("celery", "celery"),
    ("click", "click"),
    ("community", "python-louvain"),
    ("confluent_kafka", "confluent-kafka"),
    ("consul", "python-consul"),
    ("corsheaders", "django-cors-headers"),
    ("cv2", "opencv-python"),
    ("daphne", "daphne"),
    ("dask", "dask"),
    ("dateutil", "python-dateutil"),
    ("django", "django"),
    ("docx", "python-docx"),
    ("dotenv", "python-dotenv"),
    ("dramatiq", "dramatiq"),
    ("duckdb", "duckdb"),
    ("faiss", "faiss-cpu"),
    ("fastapi", "fastapi"),
    ("ffmpeg", "ffmpeg-python"),
    ("fitz", "pymupdf"),
    ("flask", "flask"),
    ("flask_sqlalchemy", "flask-sqlalchemy"),
    ("gevent", "gevent"),
    ("git", "gitpython"),
    ("grpc", "grpcio"),
    ("gunicorn", "gunicorn"),
    ("httpx", "httpx"),
    ("huey", "huey"),
    ("hypercorn", "hypercorn"),
    ("jax", "jax"),
    ("joblib", "joblib"),
    ("jose", "python-jose"),
    ("jwt", "pyjwt"),
    ("kafka", "kafka-python"),
    ("kombu", "kombu"),
    ("ldap", "python-ldap"),
    ("ldap3", "ldap3"),
    ("lightgbm", "lightgbm"),
    ("lxml", "lxml"),
    ("magic", "python-magic"),
    ("matplotlib", "matplotlib"),
    ("memcache", "python-memcached"),
    ("multipart", "python-multipart"),
    ("nacl", "pynacl"),
    ("numba", "numba"),
    ("numexpr", "numexpr"),
    ("numpy", "numpy"),
    ("onnxruntime", "onnxruntime"),
    ("osgeo", "gdal"),
    ("paho", "paho-mqtt"),
    ("pandas", "pandas"),
    ("pkg_resources", "setuptools"),
    ("polars", "polars"),
    ("pptx", "python-pptx"),
    ("prometheus_client", "prometheus-client"),
    ("psutil", "psutil"),
    ("psycopg", "psycopg"),
    ("psycopg2", "psycopg2"),
    ("pyarrow", "pyarrow"),
    ("pydantic", "pydantic"),
    ("pytest", "pytest"),
    ("pythonjsonlogger", "python-json-logger"),
    ("pyximport", "cython"),
    ("ray", "ray"),
    ("redis", "redis"),
    ("requests", "requests"),
    ("rest_framework", "djangorestframework"),
    ("rq", "rq"),
    ("ruamel", "ruamel-yaml"),
    ("scipy", "scipy"),
    ("sentry_sdk", "sentry-sdk"),
    ("serial", "pyserial"),
    ("skimage", "scikit-image"),
    ("sklearn", "scikit-learn"),
    ("slugify", "python-slugify"),
    ("snowflake", "snowflake-connector-python"),
    ("socks", "pysocks"),
    ("spacy", "spacy"),
    ("speech_recognition", "speechrecognition"),
    ("sqlalchemy", "sqlalchemy"),
    ("starlette", "starlette"),
    ("streamlit", "streamlit"),
    ("structlog", "structlog"),
    ("tabula", "tabula-py"),
    ("telegram", "python-telegram-bot"),
    ("tensorflow", "tensorflow"),
    ("tokenizers", "tokenizers"),
    ("torch", "torch"),
    ("tornado", "tornado"),
    ("transformers", "transformers"),
    ("umap", "umap-learn"),
    ("usb", "pyusb"),
    ("uvicorn", "uvicorn"),
    ("vertexai", "google-cloud-aiplatform"),
    ("whisper", "openai-whisper"),
    ("win32api", "pywin32"),
    ("wx", "wxpython"),
    ("xgboost", "xgboost"),
    ("yaml", "pyyaml"),
    ("zmq", "pyzmq"),
];

use super::listens;
use crate::graph::Graph;
use crate::repository::Repository;

/// Where the one workload of these files listens: `127.0.0.1:8000`, `all:80`; `?` for what is not told, `*` behind defaults.
fn of(files: &[(&str, &str)]) -> String {
    let texts = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let repository = Repository::parse(texts.collect());
    let graph = Graph::build(&repository);
    let [workload] = &graph.workloads[..] else {
        panic!("{} workloads", graph.workloads.len());
    };
    let Some(listening) = listens(&repository, workload) else {
        return "?".to_owned();
    };
    let mark = |is_default| if is_default { "*" } else { "" };
    let sockets = listening.sockets.iter().map(|socket| {
        let host = socket.host.map_or("?".to_owned(), |host| {
            let name = match host.value {
                super::Host::Loopback => "loopback",
                super::Host::Others => "all",
            };
            format!("{name}{}", mark(host.at.is_none()))
        });
        let port = socket.port.map_or("?".to_owned(), |port| {
            format!("{}{}", port.value, mark(port.at.is_none()))
        });
        format!("{host}:{port}")
    });
    sockets.collect::<Vec<_>>().join(" ")
}

fn command(command: &str, more: &str) -> String {
    let dockerfile = format!(
        "FROM python:3.13\nWORKDIR /app\nCOPY . .\nRUN pip install -r requirements.txt\n{more}CMD {command}\n"
    );
    let installed = ("requirements.txt", "django\nflask\n");
    let dockerfile = ("Dockerfile", dockerfile.as_str());
    of(&[dockerfile, installed, ("manage.py", "import os\n")])
}

fn module(text: &str, more: &str) -> String {
    let dockerfile =
        format!("FROM python:3.13\nWORKDIR /app\nCOPY . .\n{more}CMD [\"python\", \"a.py\"]\n");
    of(&[("Dockerfile", &dockerfile), ("a.py", text)])
}

#[test]
fn a_command_says_where_its_server_listens() {
    for (words, expected) in [
        ("gunicorn -b 127.0.0.1:8001 a:b", "loopback:8001"),
        ("gunicorn --bind=0.0.0.0:80 a:b", "all:80"),
        ("gunicorn -b :80 -b [::1]:81 a:b", "all:80 loopback:81"),
        ("gunicorn -b 0.0.0.0 a:b", "all:8000*"),
        ("gunicorn -b localhost a:b", "loopback:8000*"),
        ("gunicorn -b web:80 a:b", "?:80"),
        ("gunicorn --bind unix:/run/a.sock a:b", "?"),
        ("gunicorn --bind 0.0.0.0:$PORT a:b", "all:?"),
        ("gunicorn --bind $BIND a:b", "?"),
        ("uvicorn a:b --host 0.0.0.0 --port 80", "all:80"),
        ("uvicorn a:b --port 80", "loopback*:80"),
        ("uvicorn a:b --host :: --port ${PORT}", "all:?"),
        ("uvicorn a:b --uds /run/a.sock", "?"),
        ("hypercorn a:b --bind localhost:80", "loopback:80"),
        ("daphne -p 80 a:b", "loopback*:80"),
        ("daphne -b 0.0.0.0 a:b", "all:8000*"),
        ("daphne -e tcp:port=80 a:b", "?"),
        ("granian --host 127.0.0.1 a:b", "loopback:8000*"),
        ("flask run -h 0.0.0.0 -p 80", "all:80"),
        ("flask --app a run --host=0.0.0.0", "all:5000*"),
        ("fastapi run a.py --port 80", "all*:80"),
        ("waitress-serve --listen=127.0.0.1:80 a:b", "loopback:80"),
        ("waitress-serve --port 80 a:b", "all*:80"),
        ("streamlit run a.py --server.port=80", "?:80"),
        ("python manage.py runserver 0.0.0.0:80", "all:80"),
        ("python manage.py runserver 0:80", "all:80"),
        ("python manage.py runserver 80", "loopback*:80"),
        ("jupyter lab --ip=127.0.0.1 --port=80", "loopback:80"),
        ("mlflow server --host 0.0.0.0 -p 80", "all:80"),
        ("mlflow ui --port 80", "loopback*:80"),
        ("celery -A a worker", "?"),
    ] {
        assert_eq!(command(words, ""), expected, "{words}");
    }
}

#[test]
fn a_default_holds_where_nothing_else_can_say_it() {
    for (words, expected) in [
        ("gunicorn a:b", "loopback*:8000*"),
        ("uvicorn a:b", "loopback*:8000*"),
        ("hypercorn a:b", "loopback*:8000*"),
        ("daphne a:b", "loopback*:8000*"),
        ("granian a:b", "loopback*:8000*"),
        ("flask run", "loopback*:5000*"),
        ("fastapi dev a.py", "loopback*:8000*"),
        ("fastapi run a.py", "all*:8000*"),
        ("waitress-serve a:b", "all*:8080*"),
        ("python manage.py runserver", "loopback*:8000*"),
        (
            "mlflow server --backend-store-uri sqlite:///a.db",
            "loopback*:5000*",
        ),
        ("mlflow server --gunicorn-opts --bind=0.0.0.0", "?"),
        ("mlflow run .", "?"),
        ("streamlit run a.py", "?"),
        ("jupyter lab", "?"),
        // words that may say anything
        ("gunicorn $OPTIONS a:b", "?"),
        ("uvicorn $ARGUMENTS", "?"),
        ("gunicorn -c conf.py a:b", "?"),
        (". ./env && gunicorn a:b", "?"),
        // an option that is not known may have taken the next one's name for its value
        ("gunicorn --unheard-of -b 0.0.0.0:80 a:b", "?"),
    ] {
        assert_eq!(command(words, ""), expected, "{words}");
    }
    // Flask-Script's has the same words
    let image = "FROM python:3.13\nCOPY . .\nRUN pip install -r requirements.txt\nCMD python manage.py runserver\n";
    let files = [
        ("Dockerfile", image),
        ("requirements.txt", "flask-script\n"),
    ];
    assert_eq!(of(&files), "?");
    let based = "FROM acme/base\nCMD [\"uvicorn\", \"a:b\"]\n";
    assert_eq!(
        of(&[("Dockerfile", based)]),
        "?",
        "the base may set UVICORN_HOST"
    );
    let service = "services:\n  web:\n    build: .\n    env_file: .env\n";
    let image = "FROM python:3.13\nCMD [\"uvicorn\", \"a:b\", \"--port\", \"80\"]\n";
    let files = [("compose.yaml", service), ("Dockerfile", image)];
    assert_eq!(of(&files), "?:80");
}

#[test]
fn a_variable_that_the_server_reads_comes_before_its_default() {
    for (words, variable, expected) in [
        ("gunicorn a:b", "PORT=80", "all:80"),
        ("gunicorn -b 127.0.0.1:81 a:b", "PORT=80", "loopback:81"),
        ("gunicorn a:b", "GUNICORN_CMD_ARGS=--bind=0.0.0.0", "?"),
        ("uvicorn a:b", "UVICORN_HOST=0.0.0.0", "all:8000*"),
        ("uvicorn a:b", "PORT=80", "loopback*:8000*"),
        ("granian a:b", "GRANIAN_PORT=80", "loopback*:80"),
        ("flask run", "FLASK_RUN_HOST=0.0.0.0", "all:5000*"),
        ("mlflow server", "MLFLOW_HOST=0.0.0.0", "all:5000*"),
        ("gunicorn -b 0.0.0.0:${PORT:-8000} a:b", "PORT=80", "all:80"),
    ] {
        let set = format!("ENV {variable}\n");
        assert_eq!(command(words, &set), expected, "{words} with {variable}");
    }
}

#[test]
fn gunicorns_configuration_says_what_its_command_does_not() {
    let of = |command: &str, text: &str| {
        let image = format!("FROM python:3.13\nWORKDIR /app\nCOPY . .\nCMD {command}\n");
        of(&[("Dockerfile", &image), ("gunicorn.conf.py", text)])
    };
    assert_eq!(of("gunicorn a:b", "bind = '0.0.0.0:80'\n"), "all:80");
    assert_eq!(
        of("gunicorn a:b", "bind = ['127.0.0.1:80']\n"),
        "loopback:80"
    );
    assert_eq!(of("gunicorn a:b", "bind = f'0.0.0.0:{port()}'\n"), "?");
    assert_eq!(
        of("gunicorn -b :81 a:b", "bind = '127.0.0.1:80'\n"),
        "all:81"
    );
}

#[test]
fn a_module_that_serves_by_itself_says_where() {
    let flask = "import os\nfrom flask import Flask\napp = Flask(__name__)\n";
    for (call, expected) in [
        ("app.run()", "loopback*:5000*"),
        ("app.run('0.0.0.0', 80)", "all:80"),
        ("app.run(host='localhost', debug=True)", "loopback:5000*"),
        (
            "app.run(port=int(os.environ.get('PORT', 80)))",
            "loopback*:80",
        ),
        ("app.run(host=os.getenv('HOST', '0.0.0.0'))", "all:5000*"),
        ("app.run(host=os.environ['HOST'])", "?:5000*"),
        ("app.run(**options)", "?"),
        ("HERE = '127.0.0.1'\napp.run(host=HERE)", "loopback:5000*"),
        (
            "HERE = '127.0.0.1'\nHERE = find()\napp.run(host=HERE)",
            "?:5000*",
        ),
        ("app.run()\napp.run(host='0.0.0.0')", "?"),
        ("def never():\n    app.run()", "?"),
        ("app.config['SERVER_NAME'] = 'x'\napp.run()", "?"),
    ] {
        assert_eq!(module(&format!("{flask}{call}\n"), ""), expected, "{call}");
    }
    let port = format!("{flask}app.run(port=int(os.environ.get('PORT', 80)))\n");
    assert_eq!(module(&port, "ENV PORT=81\n"), "loopback*:81");
    for (text, expected) in [
        ("import uvicorn\nuvicorn.run('a:b')\n", "loopback*:8000*"),
        (
            "import uvicorn\nuvicorn.run('a:b', host='0.0.0.0', port=80)\n",
            "all:80",
        ),
        ("import uvicorn\nuvicorn.run('a:b', uds='/run/a')\n", "?"),
        (
            "from waitress import serve\nserve(app, port=80)\n",
            "all*:80",
        ),
        (
            "from aiohttp import web\nweb.run_app(app, host='127.0.0.1')\n",
            "loopback:8080*",
        ),
        (
            "import grpc\ns = grpc.server(x)\ns.add_insecure_port('[::]:80')\n",
            "all:80",
        ),
        (
            "import grpc\ns = grpc.server(x)\ns.add_insecure_port('localhost:80')\n",
            "loopback:80",
        ),
        ("server.run(host='127.0.0.1')\n", "loopback:?"),
        ("server.run(4)\n", "?"),
    ] {
        assert_eq!(module(text, ""), expected, "{text}");
    }
}

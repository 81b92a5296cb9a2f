//! An image's name: registry, path, tag.

use crate::finding::Confidence;

/// A name without its tag and digest. Parts that a variable would fill are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::graph) struct Reference {
    /// `ghcr.io`, `localhost:5000`; none for Docker Hub and for a variable.
    pub(in crate::graph) registry: Option<String>,
    /// `org/shop`.
    pub(in crate::graph) path: String,
}

impl Reference {
    /// None for a name that is nothing but variables.
    pub(in crate::graph) fn parse(name: &str) -> Option<Self> {
        let name = blank_variables(name.trim());
        let name = name.split('@').next().unwrap_or_default();
        // a colon after the last slash begins the tag; one before it is a registry's port
        let name = match name.rsplit_once(':') {
            Some((before, after)) if !after.contains('/') => before,
            _ => name,
        };
        let mut parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
        let registry = match parts.first() {
            Some(first)
                if parts.len() > 1 && (first.contains(['.', ':']) || *first == "localhost") =>
            {
                Some(parts.remove(0).to_owned())
            }
            _ => None,
        };
        parts.retain(|part| !part.contains('\0'));
        let is_hub = matches!(registry.as_deref(), Some("docker.io" | "index.docker.io"));
        if is_hub && parts.first() == Some(&"library") {
            parts.remove(0);
        }
        (!parts.is_empty()).then(|| Self {
            registry: registry.filter(|name| !is_hub && !name.contains('\0')),
            path: parts.join("/"),
        })
    }

    /// The last part of the path: `shop`.
    pub(in crate::graph) fn base(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Are they the same image? `Medium` where only the last part agrees and one of them says no more.
    pub(in crate::graph) fn matches(&self, other: &Self) -> Option<Confidence> {
        if self.path == other.path
            && (self.registry == other.registry
                || self.registry.is_none()
                || other.registry.is_none())
        {
            return Some(Confidence::High);
        }
        let is_bare = |reference: &Self| !reference.path.contains('/');
        (self.base() == other.base()
            && (is_bare(self) || is_bare(other) || self.registry != other.registry))
            .then_some(Confidence::Medium)
    }

    /// An image of Docker Hub's library, which nobody builds from a Dockerfile of his own.
    pub(in crate::graph) fn is_official(&self) -> bool {
        self.registry.is_none() && OFFICIAL.binary_search(&self.path.as_str()).is_ok()
    }

    /// May a repository build it: neither Docker Hub's own nor a known project's.
    pub(in crate::graph) fn may_be_own(&self) -> bool {
        !self.is_official() && !self.is_of_others()
    }

    /// An image of a known project.
    pub(in crate::graph) fn is_of_others(&self) -> bool {
        let registry = self.registry.as_deref().unwrap_or_default();
        let first = self.path.split('/').next().unwrap_or_default();
        FOREIGN_REGISTRIES.contains(&registry)
            || (self.path.contains('/') && FOREIGN_OWNERS.contains(&first))
    }
}

/// `$NAME`, `${NAME:-x}`, `${{ … }}`, `$(NAME)` and `{NAME}` become a byte that no name holds.
fn blank_variables(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['$', '{']) {
        result.push_str(&rest[..start]);
        result.push('\0');
        let variable = &rest[start..];
        let bytes = variable.trim_start_matches('$');
        let skipped = variable.len() - bytes.len();
        let (close, open) = match bytes.as_bytes().first() {
            Some(b'{') => ('}', '{'),
            Some(b'(') => (')', '('),
            _ => {
                let end = bytes
                    .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
                    .unwrap_or(bytes.len());
                rest = &bytes[end..];
                continue;
            }
        };
        let mut depth = 0_usize;
        let end = bytes.char_indices().find_map(|(index, character)| {
            if character == open {
                depth += 1;
            } else if character == close {
                depth -= 1;
            }
            (depth == 0).then_some(index + 1)
        });
        rest = &variable[skipped + end.unwrap_or(bytes.len())..];
    }
    result.push_str(rest);
    result
}

/// Registries that hold other people's images.
const FOREIGN_REGISTRIES: &[&str] = &[
    "registry.k8s.io",
    "k8s.gcr.io",
    "mcr.microsoft.com",
    "nvcr.io",
    "docker.elastic.co",
    "registry.access.redhat.com",
    "registry.redhat.io",
    "public.ecr.aws",
    "cgr.dev",
];

/// Owners on Docker Hub and elsewhere whose images are not one's own.
const FOREIGN_OWNERS: &[&str] = &[
    "amazon",
    "ankane",
    "apache",
    "authelia",
    "axllent",
    "bitnami",
    "bitnamilegacy",
    "browserless",
    "certbot",
    "chromadb",
    "clickhouse",
    "cloud-sql-connectors",
    "cloudflare",
    "cloudsql-docker",
    "confluentinc",
    "containrrr",
    "datadog",
    "dpage",
    "edoburu",
    "elastic",
    "getmeili",
    "goharbor",
    "google",
    "grafana",
    "hashicorp",
    "istio",
    "jaegertracing",
    "jupyter",
    "jwilder",
    "library",
    "linuxserver",
    "localstack",
    "maildev",
    "mailhog",
    "mcp",
    "mher",
    "milvusdb",
    "minio",
    "mlflow",
    "nginxinc",
    "nginxproxy",
    "nvidia",
    "oliver006",
    "ollama",
    "open-telemetry",
    "openpolicyagent",
    "opensearchproject",
    "openzipkin",
    "otel",
    "pgbouncer",
    "pgvector",
    "portainer",
    "postgis",
    "prom",
    "prometheus",
    "prometheuscommunity",
    "provectuslabs",
    "qdrant",
    "rancher",
    "redis",
    "rediscommander",
    "selenium",
    "sentry",
    "tecnativa",
    "temporalio",
    "tensorflow",
    "timberio",
    "timescale",
    "traefik",
    "unleashorg",
    "vectordotdev",
    "vllm",
    "weaviate",
    "wurstmeister",
    "zenko",
];

/// Docker Hub's library, as far as it is not a language's image that somebody might have named a program after. Sorted.
const OFFICIAL: &[&str] = &[
    "adminer",
    "almalinux",
    "alpine",
    "amazonlinux",
    "arangodb",
    "bash",
    "busybox",
    "caddy",
    "cassandra",
    "centos",
    "chronograf",
    "clickhouse",
    "consul",
    "couchbase",
    "couchdb",
    "crate",
    "debian",
    "docker",
    "drupal",
    "eclipse-mosquitto",
    "elasticsearch",
    "erlang",
    "fedora",
    "flink",
    "fluentd",
    "gcc",
    "ghost",
    "golang",
    "gradle",
    "grafana",
    "groovy",
    "haproxy",
    "haskell",
    "hello-world",
    "httpd",
    "influxdb",
    "jetty",
    "jruby",
    "julia",
    "kapacitor",
    "kibana",
    "kong",
    "logstash",
    "mariadb",
    "maven",
    "memcached",
    "mongo",
    "mongo-express",
    "mysql",
    "nats",
    "neo4j",
    "nextcloud",
    "nginx",
    "node",
    "odoo",
    "openjdk",
    "oraclelinux",
    "perl",
    "php",
    "phpmyadmin",
    "postgres",
    "pypy",
    "python",
    "rabbitmq",
    "redis",
    "redmine",
    "registry",
    "rockylinux",
    "ruby",
    "rust",
    "scratch",
    "solr",
    "sonarqube",
    "spark",
    "swift",
    "telegraf",
    "tomcat",
    "traefik",
    "ubuntu",
    "vault",
    "wordpress",
    "zookeeper",
];

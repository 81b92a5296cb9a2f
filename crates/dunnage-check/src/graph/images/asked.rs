//! What a manifest says of a container whose image is looked for.

use super::Reference;
use super::ports::Ports;
use crate::names::has_word;
use crate::source::Location;

/// Ports that databases, caches and brokers listen on.
const DATABASE_PORTS: [u16; 10] = [1433, 3306, 5432, 5672, 6379, 9042, 9092, 9200, 11211, 27017];

/// What people call them.
const DATABASES: [&str; 16] = [
    "cassandra",
    "db",
    "database",
    "elasticsearch",
    "kafka",
    "mariadb",
    "memcached",
    "mongo",
    "mongodb",
    "mysql",
    "pg",
    "postgres",
    "postgresql",
    "rabbitmq",
    "redis",
    "valkey",
];

/// Servers and tools besides, each by the name of its image; of those that a Python program is called after, none.
const SERVERS: [&str; 24] = [
    "adminer",
    "busybox",
    "caddy",
    "consul",
    "curl",
    "envoy",
    "grafana",
    "haproxy",
    "httpd",
    "influxdb",
    "jaeger",
    "keycloak",
    "kibana",
    "kong",
    "loki",
    "minio",
    "mlflow",
    "nginx",
    "pgadmin",
    "phpmyadmin",
    "prometheus",
    "traefik",
    "vault",
    "zookeeper",
];

/// Variables that only the images of databases read; a client has no use for them.
const DATABASE_VARIABLES: [&str; 8] = [
    "MARIADB_ROOT_PASSWORD",
    "MONGO_INITDB_DATABASE",
    "MONGO_INITDB_ROOT_USERNAME",
    "MYSQL_ALLOW_EMPTY_PASSWORD",
    "MYSQL_RANDOM_ROOT_PASSWORD",
    "MYSQL_ROOT_PASSWORD",
    "PGDATA",
    "POSTGRES_HOST_AUTH_METHOD",
];

/// An image of a manifest, with what can speak against a guess of its Dockerfile.
#[derive(Debug, Clone)]
pub(in crate::graph) struct Asked<'a> {
    /// Its name.
    pub(in crate::graph) image: String,
    /// Where it stands.
    pub(in crate::graph) at: Location,
    /// What the manifest calls the container and the workload.
    pub(in crate::graph) names: Vec<&'a str>,
    /// The ports that it declares.
    pub(in crate::graph) ports: Vec<u16>,
    /// The names of the variables that it sets.
    pub(in crate::graph) variables: Vec<&'a str>,
    /// Does the manifest give a command, so that the image's tells nothing?
    pub(in crate::graph) has_command: bool,
    /// Does a variable hold one of the ports?
    pub(in crate::graph) sets_port: bool,
    /// Is it one of several containers of its pod, so that the workload's name is not its own?
    pub(in crate::graph) shares_pod: bool,
}

impl Asked<'_> {
    /// Is it plainly a database: by its port, and by its name or by variables that only a database's image reads?
    pub(super) fn is_database(&self) -> bool {
        let is_named = |name: &str| name.split(['-', '_', '.']).any(is_database_name);
        let tag = self.image.rsplit(['/', ':']).next().unwrap_or_default();
        let by_name = is_named(tag) || self.names.iter().any(|name| is_named(name));
        let by_port =
            !self.ports.is_empty() && self.ports.iter().all(|port| DATABASE_PORTS.contains(port));
        let mut variables = self.variables.iter();
        let by_variable = variables.any(|name| DATABASE_VARIABLES.contains(name));
        let is_called_so = || self.names.iter().any(|name| is_database_name(name));
        (by_port && (by_name || by_variable)) || (by_variable && is_called_so())
    }

    /// The known server that the image is: by the name that its owner gives it, or by that in which it ends, tag or not, and
    /// its container's or workload's. A name without an owner can be pulled from nowhere, so that it says nothing alone.
    pub(super) fn server(&self) -> Option<&'static str> {
        let reference = Reference::parse(&self.image)?;
        let is_owned = reference.registry.is_some() || reference.path.contains('/');
        let whole = server_name(reference.base()).filter(|_| is_owned);
        let tag = self.image.rsplit(['/', ':']).next().unwrap_or_default();
        let ends = || {
            let end = |name: &str| server_name(name.rsplit_once(['-', '_', '.'])?.1);
            end(reference.base())
                .or_else(|| server_name(tag))
                .or_else(|| end(tag))
        };
        let is_called = |server: &&str| {
            let mut names = self.names.iter();
            names.any(|name| name.eq_ignore_ascii_case(server))
        };
        whole.or_else(|| ends().filter(is_called))
    }

    /// Are the image's ports, as far as they are known, others than those that are declared?
    pub(super) fn contradicts(&self, ports: &Ports) -> bool {
        let is_told = match ports {
            Ports::Said(_) => !self.has_command,
            Ports::Exposed(ports) => !self.has_command && !self.sets_port && !ports.is_empty(),
        };
        is_told && !self.ports.is_empty() && !self.fits(ports)
    }

    /// Is one of the image's ports declared?
    pub(super) fn fits(&self, ports: &Ports) -> bool {
        let mut declared = self.ports.iter();
        declared.any(|port| ports.numbers().contains(port))
    }

    /// Is a word that names a Dockerfile among the words that the manifest has for the container?
    pub(super) fn is_related(&self, reference: &Reference, word: &str) -> bool {
        let mut own = std::iter::once(reference.base()).chain(self.names.iter().copied());
        own.any(|name| has_word(name, word))
    }
}

fn is_database_name(word: &str) -> bool {
    DATABASES
        .iter()
        .any(|known| known.eq_ignore_ascii_case(word))
}

fn server_name(word: &str) -> Option<&'static str> {
    let mut known = DATABASES.into_iter().chain(SERVERS);
    known.find(|known| known.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{FileId, Span};

    fn asked<'a>(
        image: &str,
        names: &[&'a str],
        ports: &[u16],
        variables: &[&'a str],
    ) -> Asked<'a> {
        Asked {
            image: image.to_owned(),
            at: Location {
                file: FileId(0),
                span: Span::default(),
            },
            names: names.to_vec(),
            ports: ports.to_vec(),
            variables: variables.to_vec(),
            has_command: false,
            sets_port: false,
            shares_pod: false,
        }
    }

    #[test]
    fn a_database_is_told_by_two_signs_and_its_client_by_none() {
        assert!(asked("me/shop:mysql_v1", &["x"], &[3306], &[]).is_database());
        assert!(asked("me/shop", &["x"], &[3306], &["MYSQL_ROOT_PASSWORD"]).is_database());
        assert!(asked("me/shop", &["db"], &[], &["PGDATA"]).is_database());
        assert!(!asked("me/shop", &["shop"], &[8000], &["MYSQL_ROOT_PASSWORD"]).is_database());
        assert!(!asked("me/redis-exporter", &["redis-exporter"], &[9121], &[]).is_database());
        assert!(!asked("me/shop", &["shop"], &[5432], &[]).is_database());
    }

    #[test]
    fn a_known_server_is_told_by_its_owners_name_or_by_two_names_and_what_is_built_on_it_by_none() {
        let server = |image: &str, names: &[&str]| asked(image, names, &[], &[]).server();
        assert_eq!(server("cr.fly.dev/mlflow:latest", &["web"]), Some("mlflow"));
        assert_eq!(server("me/Redis", &["cache"]), Some("redis"));
        let tagged = "me/kubernetes:flaskapp-nginx";
        assert_eq!(server(tagged, &["flaskapp-nginx", "nginx"]), Some("nginx"));
        assert_eq!(server("shop_nginx:1", &["nginx"]), Some("nginx"));
        for (image, names) in [
            // nothing but what is built here has no owner
            ("mlflow:1", &["mlflow"][..]),
            // one name alone
            (tagged, &["flaskapp-nginx"]),
            ("me/flask-mongo", &["flask-mongo", "flask-mongo"]),
            ("me/shop:1", &["nginx", "nginx"]),
            // another word comes last
            ("me/redis-counter", &["redis"]),
            ("${IMAGE}", &["nginx"]),
        ] {
            assert_eq!(server(image, names), None, "{image}");
        }
    }

    #[test]
    fn ports_contradict_only_where_both_sides_know_them() {
        let said = |port| Ports::Said(vec![port]);
        let exposed = |ports: &[u16]| Ports::Exposed(ports.to_vec());
        let web = asked("shop", &["web"], &[8080], &[]);
        assert!(web.contradicts(&said(8000)) && web.contradicts(&exposed(&[8000])));
        assert!(!web.contradicts(&exposed(&[])) && !web.contradicts(&exposed(&[8000, 8080])));
        assert!(!asked("shop", &["web"], &[], &[]).contradicts(&said(8000)));
    }

    #[test]
    fn a_variable_moves_a_port_that_is_exposed_and_a_command_every_port() {
        let (said, exposed) = (Ports::Said(vec![8000]), Ports::Exposed(vec![8000]));
        let web = Asked {
            sets_port: true,
            ..asked("shop", &["web"], &[8080], &["PORT"])
        };
        assert!(web.contradicts(&said) && !web.contradicts(&exposed));
        let started = Asked {
            has_command: true,
            ..web
        };
        assert!(!started.contradicts(&said) && !started.contradicts(&exposed));
    }

    #[test]
    fn a_word_of_a_dockerfile_is_looked_for_as_a_whole_word() {
        let reference = Reference::parse("straydog-backend").unwrap_or_else(|| unreachable!());
        let asked = asked("straydog-backend", &["web_app"], &[], &[]);
        assert!(asked.is_related(&reference, "backend") && asked.is_related(&reference, "web"));
        assert!(!asked.is_related(&reference, "end") && !asked.is_related(&reference, ""));
    }
}

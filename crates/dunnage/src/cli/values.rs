//! Values of options, as people write them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use dunnage_policy::agent::is_path;
use dunnage_policy::signal::Signal;
use dunnage_policy::units::parse_duration;

/// A feature that can be switched off by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Do it.
    On,
    /// Leave it.
    Off,
}

impl Switch {
    /// Whether it is on.
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

/// Whether Python processes get the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentChoice {
    /// Where that can be.
    On,
    /// No.
    Off,
    /// An outer dunnage has left its path in the option's variable.
    Outer,
}

/// Reads `on`, `off`, or the path that an outer dunnage has left.
pub fn parse_agent(text: &str) -> Result<AgentChoice, String> {
    match text {
        "on" => Ok(AgentChoice::On),
        "off" => Ok(AgentChoice::Off),
        path if is_path(path.as_ref()) => Ok(AgentChoice::Outer),
        _ => Err("give on or off".to_owned()),
    }
}

/// A length of time that can be left to us or switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// By where we run.
    Auto,
    /// Never.
    Off,
    /// This long.
    For(Duration),
}

/// Reads `auto`, `off` or a duration.
pub fn parse_grace(text: &str) -> Result<Grace, String> {
    match text {
        "auto" => Ok(Grace::Auto),
        "off" => Ok(Grace::Off),
        _ => parse_duration(text)
            .map(Grace::For)
            .map_err(|error| error.to_string()),
    }
}

/// Reads `off` or a duration.
pub fn parse_off_or_duration(text: &str) -> Result<Grace, String> {
    match parse_grace(text)? {
        Grace::Auto => Err("give a duration such as 2s, or off".to_owned()),
        grace => Ok(grace),
    }
}

/// Reads a duration.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// Reads a signal.
pub fn parse_signal(text: &str) -> Result<Signal, String> {
    text.parse::<Signal>().map_err(|error| error.to_string())
}

/// A signal and what it is passed on as; `None` drops it.
pub type Rewrite = (Signal, Option<Signal>);

/// Reads `TERM=INT`; `TERM=none` drops the signal.
pub fn parse_rewrite(text: &str) -> Result<Rewrite, String> {
    let (from, to) = text
        .split_once('=')
        .ok_or("give two signals, such as TERM=INT, or TERM=none to drop one")?;
    let to = if to.eq_ignore_ascii_case("none") {
        None
    } else {
        Some(parse_signal(to)?)
    };
    Ok((parse_signal(from)?, to))
}

/// Reads `143=0`.
pub fn parse_exit_map(text: &str) -> Result<(u8, u8), String> {
    let wrong = "give two exit codes from 0 to 255, such as 143=0";
    let (from, to) = text.split_once('=').ok_or(wrong)?;
    let code = |text: &str| text.trim().parse().map_err(|_| wrong.to_owned());
    Ok((code(from)?, code(to)?))
}

/// Where the termination log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminationLog {
    /// Nowhere.
    Off,
    /// In this file, if it exists.
    At(PathBuf),
}

/// Reads `auto`, `off` or a path.
pub fn parse_termination_log(text: &str) -> Result<TerminationLog, String> {
    match text {
        "off" => Ok(TerminationLog::Off),
        "auto" => Ok(TerminationLog::At(
            dunnage_run::termination_log::DEFAULT_PATH.into(),
        )),
        path if path.starts_with('/') => Ok(TerminationLog::At(path.into())),
        _ => Err("give auto, off or an absolute path".to_owned()),
    }
}

/// Reads an absolute path of a folder.
pub fn parse_folder(text: &str) -> Result<PathBuf, String> {
    if text.starts_with('/') {
        Ok(text.into())
    } else {
        Err("give an absolute path".to_owned())
    }
}

/// Reads a share in percent, more than 0 and at most 100.
pub fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim_end();
    match number.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent),
        _ => Err("give a share in percent, more than 0 and at most 100".to_owned()),
    }
}

/// Reads an address to listen at; without a host it means all of IPv4.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let whole = match text.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => text.to_owned(),
    };
    whole.parse().map_err(|_| {
        "give an address and a port, such as 0.0.0.0:9393, [::]:9393 or :9393".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_people_write_them() {
        assert_eq!(parse_grace("30"), Ok(Grace::For(Duration::from_secs(30))));
        assert_eq!(
            parse_grace("500ms"),
            Ok(Grace::For(Duration::from_millis(500)))
        );
        assert_eq!(
            parse_rewrite("TERM=SIGINT"),
            Ok((Signal::TERM, Some(Signal::INT)))
        );
        assert_eq!(parse_rewrite("HUP=none"), Ok((Signal::HUP, None)));
        assert_eq!(parse_exit_map("143=0"), Ok((143, 0)));
        assert_eq!(parse_percent("92.5"), Ok(92.5));
        assert_eq!(parse_percent("90 %"), Ok(90.0));
        assert_eq!(parse_folder("/report"), Ok("/report".into()));
        let address = |text| parse_address(text).map(|address| address.to_string());
        assert_eq!(address(":9393"), Ok("0.0.0.0:9393".to_owned()));
        assert_eq!(address("[::1]:80"), Ok("[::1]:80".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_says_what_can() {
        assert!(parse_off_or_duration("auto").unwrap_err().contains("off"));
        assert!(parse_exit_map("300=0").unwrap_err().contains("0 to 255"));
        for text in ["0", "-1", "101", "NaN", "inf", ""] {
            assert!(
                parse_percent(text).unwrap_err().contains("percent"),
                "{text}"
            );
        }
        assert!(parse_folder("report").unwrap_err().contains("absolute"));
        assert!(parse_address("9393").unwrap_err().contains("port"));
        assert!(parse_rewrite("TERM").unwrap_err().contains("TERM=INT"));
        assert!(
            parse_termination_log("log")
                .unwrap_err()
                .contains("absolute")
        );
    }
}

//! The files in which S3 tools keep profiles: `~/.aws/credentials` and `~/.aws/config`
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>).

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;

use fwb::{Error, Result};

use crate::environment::Environment;

/// What a profile says.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    settings: BTreeMap<String, String>,
}

impl Profile {
    /// The profile that the environment names, or the one of the name `default`.
    ///
    /// # Errors
    /// A file cannot be read, or there is no profile of the name that was given.
    pub(crate) fn new(environment: &Environment) -> Result<Self> {
        let of = |name: &str| environment.get(name).map(str::to_owned);
        let home = of("HOME").map(PathBuf::from);
        let file = |variable: &str, name: &str| {
            of(variable).map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(".aws").join(name)))
        };
        let given = of("AWS_PROFILE");
        let name = given.as_deref().unwrap_or("default");
        let mut settings = BTreeMap::new();
        let mut found = false;
        for (path, in_config) in [
            (file("AWS_CONFIG_FILE", "config"), true),
            (file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), false),
        ] {
            let Some(path) = path else { continue };
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    continue;
                }
                Err(error) => return Err(Error::io("read", path)(error)),
            };
            found |= read(&text, name, in_config, &mut settings);
        }
        match given {
            Some(name) if !found => Err(Error::Usage {
                message: format!("no profile {name} is in the files of AWS profiles"),
                hint: Some("check AWS_PROFILE, AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE".into()),
            }),
            _ => Ok(Self { settings }),
        }
    }

    /// What it says of a setting.
    pub(crate) fn get(&self, setting: &str) -> Option<&str> {
        self.settings.get(setting).map(String::as_str)
    }
}

/// Adds what a file says of a profile; false where it says nothing.
fn read(text: &str, name: &str, in_config: bool, settings: &mut BTreeMap<String, String>) -> bool {
    let (mut inside, mut found) = (false, false);
    for line in text.lines() {
        // Indented lines belong to a setting of several.
        if line.starts_with([' ', '\t', '#', ';']) {
            continue;
        }
        let line = line.trim_end();
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let section = section.trim();
            let section = if in_config && section != "default" {
                section.strip_prefix("profile ").map(str::trim)
            } else {
                Some(section)
            };
            inside = section == Some(name);
            found |= inside;
        } else if let Some((key, value)) = line.split_once('=').filter(|_| inside) {
            settings.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_as_the_tools_of_aws_read_it() {
        let config = "[default]\nregion = eu-west-1\n[profile off]\nregion=us-east-2\ns3 =\n  addressing_style = path\n";
        let credentials = "# keys\n[default]\naws_access_key_id=A\n\n[off]\naws_access_key_id = B\naws_secret_access_key = C=D\n";
        let profile = |name: &str| {
            let mut settings = BTreeMap::new();
            let found =
                read(config, name, true, &mut settings) | read(credentials, name, false, &mut settings);
            (found, Profile { settings })
        };
        let (found, off) = profile("off");
        assert!(found);
        assert_eq!(off.get("region"), Some("us-east-2"));
        assert_eq!(off.get("aws_secret_access_key"), Some("C=D"));
        assert_eq!(off.get("addressing_style"), None);
        assert_eq!(profile("default").1.get("aws_access_key_id"), Some("A"));
        assert!(!profile("profile off").0 && !profile("none").0);
    }
}

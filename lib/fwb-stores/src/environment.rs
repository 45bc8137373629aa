//! The variables that say how a store is reached. Where copies go to may be another service than where they come from: what
//! `FWB_TO_AWS_…`, `FWB_TO_AZURE_…` and `FWB_TO_GOOGLE_…` say counts for the former alone.

use std::collections::BTreeMap;

/// What comes before the variables of where copies go to.
const TO: &str = "FWB_TO_";
/// How the variables of services begin.
const SERVICES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// Variables, and what they say. One that is empty says nothing: that is how a job leaves one out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// What all stores have in common.
    pub(crate) fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::of(std::env::vars_os().filter_map(text))
    }

    fn of(variables: impl Iterator<Item = (String, String)>) -> Self {
        Self { variables: variables.filter(|(_, value)| !value.is_empty()).collect() }
    }

    /// What counts for where copies go to. A service that one of its own variables names is described by these alone: a key with
    /// the token of another, or one service's key at another's endpoint, would be neither.
    pub(crate) fn of_target(self) -> Self {
        let mut variables = self.variables;
        for service in SERVICES {
            let own: BTreeMap<String, String> = variables
                .iter()
                .filter_map(|(name, value)| Some((name.strip_prefix(TO)?.to_owned(), value.clone())))
                .filter(|(name, _)| name.starts_with(service))
                .collect();
            if !own.is_empty() {
                variables.retain(|name, _| !name.starts_with(service));
                variables.extend(own);
            }
        }
        Self { variables }
    }

    /// What a variable says.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The variables of a service, whose names begin so.
    pub(crate) fn of_service(&self, service: &str) -> impl Iterator<Item = (&str, &str)> {
        let service = service.to_owned();
        self.variables
            .iter()
            .filter(move |(name, _)| name.starts_with(&service))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn a_target_is_described_by_its_own_variables_alone() {
        let all = environment(&[
            ("AWS_ACCESS_KEY_ID", "here"),
            ("AWS_SESSION_TOKEN", "token"),
            ("AZURE_STORAGE_ACCOUNT_NAME", "both"),
            ("FWB_TO_AWS_ACCESS_KEY_ID", "there"),
            ("FWB_TO_AZURE_STORAGE_ACCOUNT_NAME", ""),
            ("FWB_STORE_LEASE", "9"),
        ]);
        assert_eq!(all.get("AWS_ACCESS_KEY_ID"), Some("here"));
        let target = all.of_target();
        assert_eq!(target.get("AWS_ACCESS_KEY_ID"), Some("there"));
        assert_eq!(target.get("AWS_SESSION_TOKEN"), None);
        assert_eq!(target.of_service("AWS_").count(), 1);
        assert_eq!(target.get("AZURE_STORAGE_ACCOUNT_NAME"), Some("both"));
        assert_eq!(target.get("FWB_STORE_LEASE"), Some("9"));
    }
}

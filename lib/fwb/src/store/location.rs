//! Where a store is: a directory, or a place in an object store.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf, absolute};

use crate::error::{Error, Result};

/// Schemes of object stores.
const SCHEMES: [&str; 3] = ["s3", "gs", "az"];

/// Where a store is, as an operator names it and as manifests do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// A directory.
    Directory(PathBuf),
    /// A place in an object store.
    Url(StoreUrl),
}

/// The URL of a place in an object store: `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreUrl {
    scheme: String,
    bucket: String,
    /// Without slashes at its ends; it may be empty.
    prefix: String,
}

impl Location {
    /// Reads what an operator or a manifest says: a path, `file://` and a path, or the URL of an object store.
    ///
    /// # Errors
    /// A usage error where a URL is none of those, or holds a password.
    pub fn parse(text: &OsStr) -> Result<Self> {
        let refused = |message: String, hint: &str| Error::Usage { message, hint: Some(hint.into()) };
        let Some((scheme, rest)) = text.to_str().and_then(|text| text.split_once("://")) else {
            return match text.to_str().and_then(mistyped) {
                // A copy that is meant to be elsewhere would lie here.
                Some(scheme) => Err(refused(
                    format!("{} is a directory, or a mistyped {scheme}://", Path::new(text).display()),
                    &format!("write {scheme}://BUCKET/PREFIX; or ./ before it, if a directory is meant"),
                )),
                None => Ok(Self::Directory(text.into())),
            };
        };
        // A directory may have such a name; its URL has not.
        if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+') {
            return Ok(Self::Directory(text.into()));
        }
        if scheme.eq_ignore_ascii_case("file") {
            return match rest.strip_prefix("localhost").unwrap_or(rest) {
                path if path.starts_with('/') => Ok(Self::Directory(path.into())),
                _ => Err(refused(
                    format!("file://{rest} does not name a path on this host"),
                    "write it with three slashes: file:///var/backups",
                )),
            };
        }
        let scheme = scheme.to_ascii_lowercase();
        if !SCHEMES.contains(&scheme.as_str()) {
            return Err(refused(
                format!("{scheme}:// is no kind of store that is known"),
                "a store is a directory, or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX",
            ));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        // Not told in the message: it may be a password.
        if bucket.contains(['@', ':']) || rest.contains(['?', '#']) {
            return Err(refused(
                format!("the URL of a {scheme}:// store is a bucket and a prefix, and nothing else"),
                "credentials and endpoints come from the environment: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL and so on",
            ));
        }
        if bucket.is_empty() {
            return Err(refused(
                format!("{scheme}:// names no bucket"),
                &format!("write it {scheme}://BUCKET/PREFIX"),
            ));
        }
        let prefix = prefix.trim_matches('/');
        if prefix.split('/').any(|part| matches!(part, "." | "..") || part.is_empty() && !prefix.is_empty())
            || prefix.chars().any(char::is_control)
        {
            return Err(refused(
                format!("{scheme}://{bucket}/{prefix} has a prefix that no object store takes as it is"),
                "leave out empty parts, . and ..",
            ));
        }
        Ok(Self::Url(StoreUrl { scheme, bucket: bucket.into(), prefix: prefix.into() }))
    }

    /// The place by which two locations are compared: a directory without links, where it exists.
    #[must_use]
    pub fn resolved(&self) -> Self {
        match self {
            Self::Directory(path) => {
                let resolved = path.canonicalize().or_else(|_| absolute(path));
                Self::Directory(resolved.unwrap_or_else(|_| path.clone()))
            }
            Self::Url(url) => Self::Url(url.clone()),
        }
    }

    /// The directory that it is.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Directory(root) => Some(root),
            Self::Url(_) => None,
        }
    }

    /// The same as an option of a tool takes it.
    pub fn to_os_string(&self) -> OsString {
        match self {
            Self::Directory(root) => root.clone().into(),
            Self::Url(url) => url.to_string().into(),
        }
    }

    /// What names a file of the store, for messages.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        match self {
            Self::Directory(path) => path.join(name),
            Self::Url(url) => format!("{url}/{name}").into(),
        }
    }
}

/// The scheme of a URL that lacks a colon or a slash.
fn mistyped(text: &str) -> Option<&'static str> {
    let of = |scheme: &&str| {
        let rest = text.strip_prefix(*scheme).or_else(|| text.strip_prefix(&scheme.to_ascii_uppercase()));
        rest.is_some_and(|rest| rest.starts_with(':') || rest.starts_with("//"))
    };
    ["file"].into_iter().chain(SCHEMES).find(of)
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::Directory(path.to_owned())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => path.display().fmt(out),
            Self::Url(url) => url.fmt(out),
        }
    }
}

impl StoreUrl {
    /// `s3`, `gs` or `az`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The bucket; with `az`, the container.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What the names of the store's objects begin with, without a slash at its ends; it may be empty.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}", self.scheme, self.bucket)?;
        if self.prefix.is_empty() { Ok(()) } else { write!(out, "/{}", self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Location> {
        Location::parse(OsStr::new(text))
    }

    #[test]
    fn a_store_is_a_directory_or_a_url() {
        let cases = [
            ("/var/backups", "/var/backups"),
            ("./backups", "./backups"),
            ("file:///var/backups", "/var/backups"),
            ("file://localhost/var", "/var"),
            ("s3://bucket", "s3://bucket"),
            ("S3://bucket/", "s3://bucket"),
            ("s3://bucket/a/b/", "s3://bucket/a/b"),
            ("az://container/x", "az://container/x"),
            ("gs://bucket/x y", "gs://bucket/x y"),
            ("odd-://name", "odd-://name"),
            ("s3", "s3"),
            ("./s3:x", "./s3:x"),
            ("s3/x", "s3/x"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_store_is_refused_and_no_password_is_told() {
        for text in [
            "ftp://x/y",
            "s3://",
            "s3:///x",
            "s3://b/a//b",
            "s3://b/../c",
            "file://host/x",
            "s3:b/x",
            "s3:/b/x",
            "s3//b",
            "az:x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        for text in ["s3://key:secret@bucket/x", "s3://bucket/x?secret=1"] {
            let error = parse(text).unwrap_err();
            assert!(!format!("{error} {:?}", error.hint()).contains("secret"), "{error}");
        }
    }
}

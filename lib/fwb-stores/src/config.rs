//! How a store is reached: what the environment, profiles and options say.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fwb::{Backend, Cancel, Error, Location, Result, StoreUrl};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, Certificate, ClientOptions, RetryConfig};

use crate::backend::Objects;
use crate::client::{Client, Store};
use crate::environment::Environment;
use crate::http::{Connector, Signer};
use crate::own_requests::OwnRequests;
use crate::parts::PartSize;
use crate::profile::Profile;

/// How long a lease holds unless it is renewed.
pub(crate) const LEASE: Duration = Duration::from_secs(60);
/// How long what was deleted stays readable for whoever reads it.
const DELETE_AFTER: Duration = Duration::from_secs(6 * 60 * 60);
/// How long a small request may take, and one that carries a part.
const SMALL: Duration = Duration::from_secs(30);
const BULK: Duration = Duration::from_secs(3 * 60);
/// How often a request is tried again.
const RETRIES: u64 = 6;
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The account of Azure's emulator, which needs none to be named.
const EMULATED_ACCOUNT: &str = "devstoreaccount1";

/// Opens object stores.
#[derive(Debug, Clone, Copy)]
pub struct ObjectStores;

/// Opens the object stores that copies go to: what `FWB_TO_AWS_…` and its like say counts here alone.
#[derive(Debug, Clone, Copy)]
pub struct TargetStores;

/// What the environment says of all object stores.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `FWB_STORE_CA`, or `AWS_CA_BUNDLE`: certificates of authorities that a store's own is signed by, beside the system's.
    pub ca: Option<PathBuf>,
    /// `FWB_ALLOW_HTTP`: whether requests may go unencrypted to another host.
    pub allow_http: bool,
    /// `FWB_STORAGE_CLASS`: the class that artifacts are stored in.
    pub storage_class: Option<String>,
    /// `FWB_STORE_LEASE`: how long a lock holds unless it is renewed.
    pub(crate) lease: Duration,
    /// `FWB_STORE_DELETE_AFTER`: how long what was deleted can still be read.
    pub(crate) delete_after: Duration,
    /// `FWB_STORE_RETRIES`: how often a request is tried again.
    retries: usize,
    /// How large the parts of an upload are.
    pub(crate) part_size: PartSize,
    /// The endpoint, where one is named.
    pub(crate) endpoint: Option<String>,
    /// Whether it may be spoken to unencrypted.
    is_http: bool,
    /// Whether what is sent to it can be changed on the way.
    is_exposed: bool,
}

impl Settings {
    fn new(environment: &Environment) -> Result<Self> {
        let of = |name: &str| environment.get(name).map(str::to_owned);
        let number =
            |name: &str, usual: u64, least: u64| match of(name) {
                None => Ok(usual),
                Some(text) => text.parse().ok().filter(|number| *number >= least).ok_or_else(|| {
                    Error::usage(format!("{name} is {text:?}, and not a number from {least} on"))
                }),
            };
        let seconds = |name, usual: Duration| number(name, usual.as_secs(), 1).map(Duration::from_secs);
        let is_on = |name: &str| of(name).is_some_and(|value| matches!(value.as_str(), "1" | "true" | "yes"));
        Ok(Self {
            ca: of("FWB_STORE_CA").or_else(|| of("AWS_CA_BUNDLE")).map(PathBuf::from),
            allow_http: is_on("FWB_ALLOW_HTTP") || is_on("AWS_ALLOW_HTTP"),
            storage_class: of("FWB_STORAGE_CLASS"),
            lease: seconds("FWB_STORE_LEASE", LEASE)?,
            delete_after: seconds("FWB_STORE_DELETE_AFTER", DELETE_AFTER)?,
            retries: usize::try_from(number("FWB_STORE_RETRIES", RETRIES, 0)?).unwrap_or(usize::MAX),
            part_size: PartSize::default(),
            endpoint: None,
            is_http: false,
            is_exposed: false,
        })
    }

    /// What tells this store's cache from those of others.
    pub(crate) fn cache_key(&self, url: &StoreUrl) -> String {
        format!("{} {url}", self.endpoint.as_deref().unwrap_or_default())
    }

    /// Certificates of authorities beside the system's, in PEM.
    fn authorities(&self) -> Result<Option<Vec<u8>>> {
        self.ca.as_ref().map(|path| std::fs::read(path).map_err(Error::io("read", path))).transpose()
    }

    fn unusable_ca(&self, why: &str) -> Error {
        let path = self.ca.clone().unwrap_or_default();
        Error::usage(format!("{} holds no certificates: {why}", path.display()))
    }

    fn client(&self, timeout: Duration) -> Result<ClientOptions> {
        let mut options = ClientOptions::new().with_timeout(timeout).with_allow_http(self.is_http);
        if let Some(pem) = self.authorities()? {
            let all = Certificate::from_pem_bundle(&pem);
            let all = all.map_err(|error| self.unusable_ca(&error.to_string()))?;
            if all.is_empty() {
                return Err(self.unusable_ca("it has none"));
            }
            for certificate in all {
                options = options.with_root_certificate(certificate);
            }
        }
        Ok(options)
    }

    /// What makes requests of our own.
    fn http(&self, timeout: Duration) -> Result<reqwest::Client> {
        let mut builder = reqwest::Client::builder().timeout(timeout);
        if let Some(pem) = self.authorities()? {
            let all = reqwest::Certificate::from_pem_bundle(&pem);
            for certificate in all.map_err(|error| self.unusable_ca(&error.to_string()))? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        builder.build().map_err(|error| Error::usage(format!("no request can be made: {error}")))
    }

    /// Whether an endpoint may be spoken to. Unencrypted, everybody on the way reads and changes what is stored.
    fn admit(&mut self, endpoint: &str) -> Result<()> {
        let (scheme, rest) = endpoint.split_once("://").unwrap_or_default();
        let is_url = matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https")
            && reqwest::Url::parse(endpoint).is_ok_and(|url| url.host().is_some())
            && !endpoint.contains(char::is_whitespace);
        if !is_url && !endpoint.contains('@') {
            return Err(Error::Usage {
                message: format!("the endpoint {endpoint:?} is no URL"),
                hint: Some("write it https://HOST or http://HOST:PORT".into()),
            });
        }
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.contains('@') || rest.contains('?') {
            // Not told: a message that names the endpoint would tell it too.
            return Err(Error::Usage {
                message: "the endpoint of the store has credentials in it".into(),
                hint: Some("name them in variables of their own (docs/STORES.md)".into()),
            });
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Ok(());
        }
        let host = authority;
        let host = host
            .strip_prefix('[')
            .and_then(|rest| rest.split(']').next())
            .unwrap_or_else(|| host.split(':').next().unwrap_or_default());
        let is_loopback =
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if is_loopback || self.allow_http {
            self.is_http = true;
            self.is_exposed = !is_loopback;
            return Ok(());
        }
        Err(Error::Usage {
            message: format!("the endpoint http://{host} is not encrypted"),
            hint: Some("use https://, with FWB_STORE_CA for a CA of your own; or FWB_ALLOW_HTTP=1, where nobody listens".into()),
        })
    }
}

impl fwb::ObjectStores for ObjectStores {
    fn open(&self, url: &StoreUrl, cancel: &Cancel) -> Result<Arc<dyn Backend>> {
        open(url, &Environment::of_process(), cancel)
    }
}

impl fwb::ObjectStores for TargetStores {
    fn open(&self, url: &StoreUrl, cancel: &Cancel) -> Result<Arc<dyn Backend>> {
        open(url, &Environment::of_process().of_target(), cancel)
    }
}

fn open(url: &StoreUrl, environment: &Environment, cancel: &Cancel) -> Result<Arc<dyn Backend>> {
    // Another part of the process may have said the same before.
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut settings = Settings::new(environment)?;
    let Reached { small, bulk, own } = match url.scheme() {
        "s3" => s3(url, environment, &mut settings)?,
        "az" => azure(url, environment, &mut settings)?,
        _ => google(url, environment, &settings)?,
    };
    settings.part_size = PartSize::new(environment.get("FWB_STORE_PART_SIZE"), settings.endpoint.as_deref())?;
    let location = Location::Url(url.clone());
    let client = Client { small, bulk, own, url: url.clone(), location, cancel: cancel.clone() };
    Ok(Arc::new(Objects::new(client, settings)))
}

/// How a store is reached.
struct Reached {
    small: Arc<dyn Store>,
    bulk: Arc<dyn Store>,
    own: Option<OwnRequests>,
}

/// How a request of at most this time is tried again: also when the time is what it took.
fn retry(settings: &Settings, timeout: Duration) -> RetryConfig {
    let backoff = BackoffConfig { max_backoff: LONGEST_PAUSE, ..BackoffConfig::default() };
    let tries = u32::try_from(settings.retries).unwrap_or(u32::MAX).saturating_add(1);
    let retry_timeout = (timeout.saturating_add(LONGEST_PAUSE)).saturating_mul(tries);
    RetryConfig { backoff, max_retries: settings.retries, retry_timeout }
}

fn unusable(url: &StoreUrl, error: &object_store::Error) -> Error {
    Error::Usage {
        message: format!("the store {url} cannot be used: {error}"),
        hint: Some("docs/STORES.md says what the environment has to name".into()),
    }
}

/// What a client is for.
#[derive(Clone, Copy)]
enum Requests {
    Small,
    /// Those that carry parts.
    Bulk,
}

/// Two clients of a store: for small requests, and for those that carry parts.
fn two<S>(
    url: &StoreUrl,
    settings: &Settings,
    build: impl Fn(Requests, ClientOptions, RetryConfig) -> object_store::Result<S>,
) -> Result<(S, S)> {
    let one = |requests, timeout| {
        build(requests, settings.client(timeout)?, retry(settings, timeout))
            .map_err(|error| unusable(url, &error))
    };
    Ok((one(Requests::Small, SMALL)?, one(Requests::Bulk, BULK)?))
}

fn s3(url: &StoreUrl, environment: &Environment, settings: &mut Settings) -> Result<Reached> {
    let profile = Profile::new(environment)?;
    let mut builder = s3_credentials(s3_of(environment), &profile);
    let of = |name: &str| environment.get(name).map(str::to_owned);
    let endpoint =
        of("AWS_ENDPOINT_URL_S3").or_else(|| of("AWS_ENDPOINT_URL")).or_else(|| of("AWS_ENDPOINT"));
    if let Some(endpoint) = endpoint.or_else(|| profile.get("endpoint_url").map(str::to_owned)) {
        settings.admit(&endpoint)?;
        builder = builder.with_endpoint(&endpoint);
        settings.endpoint = Some(endpoint);
    }
    // Deletions in bulk are a request of their own kind, which not every store has.
    let builder = builder
        .with_bucket_name(url.bucket())
        .with_disable_bulk_delete(true)
        .with_http_connector(Connector::default());
    // A signature over a part costs either side its SHA-256. TLS keeps it whole on its way, and that the store has what was
    // sent is said by the ETag (`upload.rs`).
    let is_signed = settings.is_exposed || of("AWS_UNSIGNED_PAYLOAD").is_some();
    let (small, bulk) = two(url, settings, |requests, client, retry| {
        let builder = builder.clone().with_client_options(client).with_retry(retry);
        match requests {
            Requests::Bulk if !is_signed => builder.with_unsigned_payload(true).build(),
            _ => builder.build(),
        }
    })?;
    let own = Some(OwnRequests { s3: small.clone(), http: settings.http(SMALL)? });
    Ok(Reached { small: Arc::new(small), bulk: Arc::new(bulk), own })
}

/// What the variables say.
fn s3_of(environment: &Environment) -> AmazonS3Builder {
    let known =
        |(name, value): (&str, &str)| Some((name.to_ascii_lowercase().parse().ok()?, value.to_owned()));
    let settings = environment.of_service("AWS_").filter_map(known);
    settings.fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value))
}

/// Adds what a profile says, where the environment says nothing.
fn s3_credentials(mut builder: AmazonS3Builder, profile: &Profile) -> AmazonS3Builder {
    use AmazonS3ConfigKey as Key;
    let is_set = |builder: &AmazonS3Builder, keys: &[Key]| {
        keys.iter().any(|key| builder.get_config_value(key).is_some())
    };
    let identities = [
        Key::AccessKeyId,
        Key::WebIdentityTokenFile,
        Key::ContainerCredentialsRelativeUri,
        Key::ContainerCredentialsFullUri,
    ];
    let mut settings = Vec::new();
    if !is_set(&builder, &identities) {
        settings.extend([
            ("aws_access_key_id", Key::AccessKeyId),
            ("aws_secret_access_key", Key::SecretAccessKey),
            ("aws_session_token", Key::Token),
        ]);
    }
    if !is_set(&builder, &[Key::Region, Key::DefaultRegion]) {
        settings.push(("region", Key::Region));
    }
    for (setting, key) in settings {
        if let Some(value) = profile.get(setting) {
            builder = builder.with_config(key, value);
        }
    }
    builder
}

fn azure(url: &StoreUrl, environment: &Environment, settings: &mut Settings) -> Result<Reached> {
    let known =
        |(name, value): (&str, &str)| Some((name.to_ascii_lowercase().parse().ok()?, value.to_owned()));
    let named = environment.of_service("AZURE_").filter_map(known);
    let builder =
        named.fold(MicrosoftAzureBuilder::new(), |builder, (key, value)| builder.with_config(key, value));
    // The identity of a machine at Azure.
    let builder = match environment.get("IDENTITY_ENDPOINT") {
        Some(endpoint) => builder.with_msi_endpoint(endpoint),
        None => builder,
    };
    let builder = builder.with_container_name(url.bucket());
    if let Some(endpoint) = builder.get_config_value(&AzureConfigKey::Endpoint) {
        settings.admit(&endpoint)?;
        settings.endpoint = Some(endpoint);
    }
    let account = builder.get_config_value(&AzureConfigKey::AccountName);
    let account = account.unwrap_or_else(|| EMULATED_ACCOUNT.into());
    let signer = Arc::new(Signer { account, credentials: OnceLock::new() });
    let builder = builder.with_http_connector(Connector { azure: Some(Arc::clone(&signer)) });
    let (small, bulk) = two(url, settings, |_, client, retry| {
        builder.clone().with_client_options(client).with_retry(retry).build()
    })?;
    signer.credentials.get_or_init(|| Arc::clone(bulk.credentials()));
    Ok(Reached { small: Arc::new(small), bulk: Arc::new(bulk), own: None })
}

fn google(url: &StoreUrl, environment: &Environment, settings: &Settings) -> Result<Reached> {
    let known =
        |(name, value): (&str, &str)| Some((name.to_ascii_lowercase().parse().ok()?, value.to_owned()));
    let named = environment.of_service("GOOGLE_").filter_map(known);
    let account =
        environment.get("SERVICE_ACCOUNT").map(|path| (GoogleConfigKey::ServiceAccount, path.to_owned()));
    let settings_of = account.into_iter().chain(named);
    let builder = settings_of
        .fold(GoogleCloudStorageBuilder::new(), |builder, (key, value)| builder.with_config(key, value))
        .with_bucket_name(url.bucket())
        .with_http_connector(Connector::default());
    let (small, bulk) = two(url, settings, |_, client, retry| {
        builder.clone().with_client_options(client).with_retry(retry).build()
    })?;
    Ok(Reached { small: Arc::new(small), bulk: Arc::new(bulk), own: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_goes_to_this_host_alone() {
        let mut settings = Settings::default();
        for endpoint in
            ["https://s3.example", "http://127.0.0.1:9000", "http://localhost", "http://[::1]:9000/x"]
        {
            assert!(settings.admit(endpoint).is_ok(), "{endpoint}");
        }
        for endpoint in [
            "http://s3.example",
            "http://127.0.0.1@s3.example",
            "https://k:s@s3.example",
            "http://10.0.0.1:9000",
            "HTTP://s3.example",
            "127.0.0.1:9000",
            "localhost",
            "https://",
            "http://127.0.0.1:9000 ",
            "ftp://127.0.0.1",
        ] {
            assert!(settings.admit(endpoint).is_err(), "{endpoint}");
        }
        assert!(Settings { allow_http: true, ..settings }.admit("http://s3.example").is_ok());
    }
}

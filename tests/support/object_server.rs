//! A private server of objects, S3 or Azure Blob Storage: one of each kind for the whole test process, or another one for
//! a test that needs its own; and buckets in it. `scripts/stores.sh` brings the servers.
//!
//! What tests ask here, they ask past the tools, by HTTP of our own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest, Sha256};

use super::http::{Answer, ask};
use super::server::cached;
use super::{free_port, until};

/// Which server, by the name that `scripts/stores.sh` has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// S3 with all conditions, atomically. Signatures, checksums and users' rights count.
    Ministack,
    /// S3 with all conditions, except that the completion of an upload in parts ignores If-Match. After an abort,
    /// a part and a completion fail by status 500. Any key will do.
    Moto,
    /// S3 with If-None-Match: *, which ignores If-Match in all requests, GET too. It cannot delete several objects by one
    /// request, nor list uploads. A request that is cut leaves a torn object. Any key will do.
    Localbucket,
    /// S3 that ignores all conditions, and neither aborts nor lists uploads. A request that is cut leaves a torn object.
    S3rver,
    /// Azure Blob Storage with all conditions, atomically. Signatures count. If-None-Match: * fails by status 409.
    Azurite,
}

/// All of them.
pub(crate) const KINDS: [Kind; 5] =
    [Kind::Ministack, Kind::Moto, Kind::Localbucket, Kind::S3rver, Kind::Azurite];

/// Azurite's account, which is the same everywhere, and so no secret: the key in base 64, and as bytes.
const ACCOUNT: &str = "devstoreaccount1";
const ACCOUNT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Where S3 servers are.
const REGION: &str = "us-east-1";

/// Who asks an S3 server past the tools. Ministack takes this key for the account's owner, without a look at the
/// signature; moto wants any.
fn owner(service: &str) -> (&'static str, String) {
    let scope = format!("test/20200101/{REGION}/{service}/aws4_request");
    let value = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none");
    ("Authorization", value)
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Ministack => "ministack",
            Self::Moto => "moto",
            Self::Localbucket => "localbucket",
            Self::S3rver => "s3rver",
            Self::Azurite => "azurite",
        }
    }

    /// Whether it is Azure's.
    pub(crate) fn is_azure(self) -> bool {
        self == Self::Azurite
    }
}

/// A server that is killed, and whose data go, when this value or the test process ends, in whatever way.
pub(crate) struct ObjectServer {
    kind: Kind,
    address: SocketAddr,
    dir: PathBuf,
    guardian: Child,
}

impl ObjectServer {
    /// The server of this kind that all tests share; the first to ask starts it.
    pub(crate) fn shared(kind: Kind) -> &'static Self {
        static SHARED: [OnceLock<ObjectServer>; KINDS.len()] = [const { OnceLock::new() }; KINDS.len()];
        let at = KINDS.iter().position(|&other| other == kind).expect("one of them");
        SHARED[at].get_or_init(|| Self::private(kind))
    }

    /// A server of its own.
    pub(crate) fn private(kind: Kind) -> Self {
        let program = cached("FWB_STORES_DIR", "fwb-stores").join(kind.name()).join("server");
        assert!(program.exists(), "{} is not there: run scripts/stores.sh", program.display());
        let dir = tempfile::Builder::new().prefix("fwb-objects-").tempdir().expect("a directory").keep();
        fs::create_dir(dir.join("data")).expect("a directory");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let guardian = guard(&program, address, &dir);
        let server = Self { kind, address, dir, guardian };
        until(kind.name(), || {
            assert!(!server.has_ended(), "{} has ended:\n{}", kind.name(), server.said());
            ask(address, "GET", "/", &[], b"").ok()
        });
        server
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has written to its standard streams.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.join("log")).unwrap_or_default()).into_owned()
    }

    /// Whether it runs no more: the guardian has not asked yet how it ended, so that it is a zombie (proc(5)).
    fn has_ended(&self) -> bool {
        let Ok(pid) = fs::read_to_string(self.dir.join("pid")) else { return false };
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        pid.ends_with('\n')
            && stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
    }

    /// A new bucket, or container, with nothing in it.
    pub(crate) fn bucket(&self) -> Bucket<'_> {
        self.bucket_with(&[])
    }

    /// The same, made with these fields.
    pub(crate) fn bucket_with(&self, fields: &[(&str, &str)]) -> Bucket<'_> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        self.make_bucket(&format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed)), fields)
    }

    /// One of this name, which the server does not have yet.
    pub(crate) fn bucket_named(&self, name: &str) -> Bucket<'_> {
        self.make_bucket(name, &[])
    }

    fn make_bucket(&self, name: &str, fields: &[(&str, &str)]) -> Bucket<'_> {
        let name = name.to_owned();
        let keys = match self.kind {
            Kind::Ministack => self.user(&name, &["s3:*"]),
            Kind::Azurite => (ACCOUNT.to_owned(), ACCOUNT_KEY.to_owned()),
            Kind::S3rver => ("S3RVER".to_owned(), "S3RVER".to_owned()),
            Kind::Moto | Kind::Localbucket => ("test".to_owned(), "test".to_owned()),
        };
        let bucket = Bucket { server: self, name, keys };
        let query: &[_] = if self.kind.is_azure() { &[("restype", "container")] } else { &[] };
        bucket.done(&bucket.ask("PUT", None, query, fields, b""));
        bucket
    }

    /// The keys of a new user of [`Kind::Ministack`], who may do so much with one bucket and what is in it.
    fn user(&self, bucket: &str, actions: &[&str]) -> (String, String) {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("user-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (field, value) = owner("iam");
        let ask = |action: &str, more: &str| {
            let form = format!("Action={action}&Version=2010-05-08&UserName={name}{more}");
            let fields = [(field, value.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
            let answer = ask(self.address, "POST", "/", &fields, form.as_bytes()).expect("an answer");
            assert_eq!(answer.status, 200, "{action}: {}", answer.text());
            answer.text()
        };
        ask("CreateUser", "");
        let resource = [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")];
        let statement = serde_json::json!({ "Effect": "Allow", "Action": actions, "Resource": resource });
        let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
        ask("PutUserPolicy", &format!("&PolicyName=rights&PolicyDocument={}", encoded(&policy, "")));
        let text = ask("CreateAccessKey", "");
        let value = |tag| elements(&text, tag).first().expect("a key").to_string();
        (value("AccessKeyId"), value("SecretAccessKey"))
    }
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        drop(self.guardian.stdin.take());
        let _ = self.guardian.wait();
    }
}

/// A process that outlives the tests: when its standard input ends, because we closed it or because we are no more, it
/// kills the server, and removes its data. In its own process group, so that an interrupt typed at the terminal spares it.
fn guard(program: &Path, address: SocketAddr, dir: &Path) -> Child {
    let script =
        r#""$1" "$2" "$3/data" >"$3/log" 2>&1 & echo $! >"$3/pid"; read -r _; kill -9 $!; wait; rm -rf "$3""#;
    let path = std::env::var_os("PATH").expect("a PATH");
    Command::new("sh")
        .args(["-c", script, "guardian"])
        .arg(program)
        .arg(address.port().to_string())
        .arg(dir)
        // Nothing of a user's own settings of Python, Node.js or AWS.
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("sh")
}

/// A bucket of S3, or a container of Azure's, and the keys of somebody who may use it.
pub(crate) struct Bucket<'a> {
    server: &'a ObjectServer,
    name: String,
    keys: (String, String),
}

impl Bucket<'_> {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The variables by which a client finds the server at this address, its own or a proxy's, and may use the bucket:
    /// as `object_store` reads them.
    pub(crate) fn environment(&self, address: SocketAddr) -> Vec<(&'static str, String)> {
        let (key, secret) = self.keys.clone();
        if self.server.kind.is_azure() {
            return vec![
                ("AZURE_STORAGE_ACCOUNT_NAME", key),
                ("AZURE_STORAGE_ACCOUNT_KEY", secret),
                ("AZURE_STORAGE_ENDPOINT", format!("http://{address}/{ACCOUNT}")),
                ("AZURE_ALLOW_HTTP", "true".to_owned()),
            ];
        }
        vec![
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ENDPOINT_URL", format!("http://{address}")),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
        ]
    }

    /// The same bucket for another user, who may do only this with it, such as `s3:GetObject`. Of [`Kind::Ministack`]
    /// alone: no other server here has rights.
    pub(crate) fn with_rights(&self, actions: &[&str]) -> Self {
        assert_eq!(self.server.kind, Kind::Ministack, "no other server has rights");
        Self { server: self.server, name: self.name.clone(), keys: self.server.user(&self.name, actions) }
    }

    /// An object; none where it is not there.
    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        let answer = self.ask("GET", Some(key), &[], &[], b"");
        (answer.status != 404).then(|| self.done(&answer).body.clone())
    }

    /// Makes an object, or replaces it.
    pub(crate) fn put(&self, key: &str, body: impl AsRef<[u8]>) {
        self.done(&self.ask("PUT", Some(key), &[], &[], body.as_ref()));
    }

    /// Removes an object.
    pub(crate) fn delete(&self, key: &str) {
        self.done(&self.ask("DELETE", Some(key), &[], &[], b""));
    }

    /// The keys of all objects, in order.
    pub(crate) fn keys(&self) -> Vec<String> {
        if self.server.kind.is_azure() { self.blobs("") } else { self.list(&[("list-type", "2")], "Key") }
    }

    /// The keys of all objects that are being uploaded in parts, in order. Neither [`Kind::Localbucket`] nor
    /// [`Kind::S3rver`] tells.
    pub(crate) fn uploads(&self) -> Vec<String> {
        if !self.server.kind.is_azure() {
            return self.list(&[("uploads", "")], "Key");
        }
        let whole = self.keys();
        let all = self.blobs("uncommittedblobs");
        all.into_iter().filter(|key| !whole.contains(key)).collect()
    }

    fn blobs(&self, include: &str) -> Vec<String> {
        let mut query = vec![("restype", "container"), ("comp", "list")];
        if !include.is_empty() {
            query.push(("include", include));
        }
        self.list(&query, "Name")
    }

    fn list(&self, query: &[(&str, &str)], tag: &str) -> Vec<String> {
        let text = self.done(&self.ask("GET", None, query, &[], b"")).text();
        let whole = |tag, value| elements(&text, tag).iter().all(|found| *found == value);
        assert!(whole("IsTruncated", "false") && whole("NextMarker", ""), "more than one page: {text}");
        let mut keys: Vec<String> = elements(&text, tag).into_iter().map(plain).collect();
        keys.sort();
        keys
    }

    #[track_caller]
    fn done<'a>(&self, answer: &'a Answer) -> &'a Answer {
        assert_eq!(answer.status / 100, 2, "{}: {:?} {}", self.name, answer.head, answer.text());
        answer
    }

    /// Asks for an object, or for the bucket itself, with a query and fields; as the owner, whose rights have no limits.
    pub(crate) fn ask(
        &self,
        method: &str,
        key: Option<&str>,
        query: &[(&str, &str)],
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let answer = self.ask_at(self.server.address, method, key, query, fields, body);
        answer.unwrap_or_else(|error| panic!("{:?}: {method} {key:?}: {error}", self.server.kind))
    }

    /// As [`Bucket::ask`], at an address that may be a proxy's.
    pub(crate) fn ask_at(
        &self,
        address: SocketAddr,
        method: &str,
        key: Option<&str>,
        query: &[(&str, &str)],
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Answer> {
        let account = if self.server.kind.is_azure() { format!("/{ACCOUNT}") } else { String::new() };
        let key = key.map(|key| format!("/{}", encoded(key, "/"))).unwrap_or_default();
        let path = format!("{account}/{}{key}", self.name);
        let pairs: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", encoded(value, ""))).collect();
        let mark = if pairs.is_empty() { "" } else { "?" };
        let target = format!("{path}{mark}{}", pairs.join("&"));
        let mut ours = match self.server.kind {
            Kind::Ministack | Kind::Moto => vec![owner("s3")],
            Kind::Localbucket | Kind::S3rver => Vec::new(),
            Kind::Azurite => azure_fields(method, &path, query, fields, body.len()),
        };
        ours.extend(fields.iter().map(|&(name, value)| (name, value.to_owned())));
        let fields: Vec<(&str, &str)> = ours.iter().map(|(name, value)| (*name, value.as_str())).collect();
        ask(address, method, &target, &fields, body)
    }
}

impl Answer {
    /// Its body.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The fields that Azure wants, with its "Shared Key" signature (its manual, "Authorize with Shared Key").
fn azure_fields(
    method: &str,
    path: &str,
    query: &[(&str, &str)],
    fields: &[(&str, &str)],
    length: usize,
) -> Vec<(&'static str, String)> {
    let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let mut ours = vec![("x-ms-date", date), ("x-ms-version", "2023-11-03".to_owned())];
    if method == "PUT" && query.is_empty() {
        ours.push(("x-ms-blob-type", "BlockBlob".to_owned()));
    }
    let given = |name: &str| {
        let found = fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map_or_else(String::new, |(_, value)| (*value).to_owned())
    };
    let length = if length == 0 { String::new() } else { length.to_string() };
    let mut lines = vec![method.to_owned(), given("Content-Encoding"), given("Content-Language"), length];
    lines.extend(["Content-MD5", "Content-Type"].map(given));
    lines.push(String::new()); // the date has a field of its own
    lines.extend(
        ["If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"].map(given),
    );
    let mut extensions: Vec<String> = ours.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    extensions.sort();
    lines.extend(extensions);
    lines.push(format!("/{ACCOUNT}{path}"));
    let mut query: Vec<String> = query.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    query.sort();
    lines.extend(query);
    let signature = base64(&hmac(&unbase64(ACCOUNT_KEY), lines.join("\n").as_bytes()));
    ours.push(("Authorization", format!("SharedKey {ACCOUNT}:{signature}")));
    ours
}

/// HMAC by SHA-256 (RFC 2104), with a key that is not longer than a block.
pub(crate) fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let padded = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The bits of these numbers, `from` of each, taken together and parted anew into numbers of `to` bits.
fn parted(numbers: impl IntoIterator<Item = u8>, from: u32, to: u32) -> Vec<u8> {
    let (mut bits, mut count, mut parts) = (0_u32, 0, Vec::new());
    for number in numbers {
        bits = bits << from | u32::from(number);
        count += from;
        while count >= to {
            count -= to;
            parts.push(u8::try_from(bits >> count & ((1 << to) - 1)).expect("no more bits"));
        }
    }
    parts
}

fn base64(bytes: &[u8]) -> String {
    let zeros = [0; 2];
    let padding = (3 - bytes.len() % 3) % 3;
    let digits = parted(bytes.iter().chain(&zeros[..padding]).copied(), 8, 6);
    let mut text: String = digits.into_iter().map(|digit| char::from(DIGITS[usize::from(digit)])).collect();
    text.replace_range(text.len() - padding.., &"=="[..padding]);
    text
}

fn unbase64(text: &str) -> Vec<u8> {
    let number = |digit: u8| DIGITS.iter().position(|&other| other == digit);
    let numbers = text.bytes().filter_map(number).map(|number| u8::try_from(number).expect("six bits"));
    parted(numbers, 6, 8)
}

/// Percent encoding (RFC 3986) of all but what needs none, and `but`.
fn encoded(text: &str, but: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        let plain = char::from(byte);
        if plain.is_ascii_alphanumeric() || "-._~".contains(plain) || but.contains(plain) {
            encoded.push(plain);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// What is in each element of this name, which has no attributes and no elements of the same name in it.
fn elements<'a>(xml: &'a str, tag: &str) -> Vec<&'a str> {
    let (begin, end) = (format!("<{tag}>"), format!("</{tag}>"));
    xml.split(&begin).skip(1).filter_map(|rest| Some(&rest[..rest.find(&end)?])).collect()
}

fn plain(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}

//! Methods of authentication: how a password is proved without being sent.

use std::path::Path;

use ed25519_dalek::Signer as _;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{SigningKey, VerifyingKey};
use fwb::SessionError;
use getrandom::SysRng;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::pkcs8::DecodePublicKey as _;
use rsa::{Oaep, PublicKey};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use crate::wire::malformed;

/// The methods that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// `mysql_native_password`: SHA-1 (MariaDB's manual, "Authentication Plugin - `mysql_native_password`").
    Native,
    /// `caching_sha2_password`: SHA-256, and the password itself where the server does not remember it (MySQL's
    /// manual, "Caching SHA-2 Pluggable Authentication").
    CachingSha2,
    /// `sha256_password`: the password itself, over TLS or under the server's key.
    Sha256,
    /// `client_ed25519`: a signature (MariaDB's manual, "Authentication Plugin - ed25519").
    Ed25519,
    /// `parsec`: a signature by a key that is derived from the password (MariaDB's manual, "Authentication Plugin -
    /// PARSEC").
    Parsec,
    /// `mysql_clear_password`: the password itself, as PAM and LDAP want it.
    Clear,
    /// `auth_gssapi_client` and whatever else we do not know.
    Unknown,
}

impl Method {
    pub(crate) fn of(name: &str) -> Self {
        match name {
            // Where a server looks at who owns the socket's other end, it asks for no proof.
            "mysql_native_password" | "" | "unix_socket" | "auth_socket" => Self::Native,
            "caching_sha2_password" => Self::CachingSha2,
            "sha256_password" => Self::Sha256,
            "client_ed25519" | "ed25519" => Self::Ed25519,
            "parsec" => Self::Parsec,
            "mysql_clear_password" | "dialog" => Self::Clear,
            _ => Self::Unknown,
        }
    }

    /// The nonce in what a server sends with a method's name. A text ends with a NUL; what is to be signed is random bytes,
    /// and one in 256 of these ends with a byte of 0.
    pub(crate) fn nonce(self, sent: &[u8]) -> &[u8] {
        match self {
            Self::Ed25519 | Self::Parsec => sent.get(..SIGNED_NONCE).unwrap_or(sent),
            _ => sent.strip_suffix(&[0]).unwrap_or(sent),
        }
    }
}

/// The length of a nonce that is to be signed, in bytes.
const SIGNED_NONCE: usize = 32;

/// What a proof may rely on.
#[derive(Debug)]
pub(crate) struct Secrecy<'a> {
    /// Whether TLS runs, and the server has proved who it is.
    pub(crate) tls: bool,
    /// Whether the connection is a unix socket.
    pub(crate) private: bool,
    /// The file with the server's public key.
    pub(crate) public_key: Option<&'a Path>,
}

impl Secrecy<'_> {
    fn is_secret(&self) -> bool {
        self.tls || self.private
    }
}

/// The first proof by a method, for the server's nonce.
///
/// # Errors
/// The method is not known, or would send the password where others may listen.
pub(crate) fn first_proof(
    name: &str,
    password: &[u8],
    nonce: &[u8],
    secrecy: &Secrecy<'_>,
) -> Result<Vec<u8>, SessionError> {
    match Method::of(name) {
        Method::Native if password.is_empty() => Ok(Vec::new()),
        Method::Native => Ok(native(password, nonce)),
        Method::CachingSha2 | Method::Sha256 if password.is_empty() => Ok(vec![0]),
        Method::CachingSha2 => Ok(caching_sha2(password, nonce)),
        Method::Sha256 if secrecy.tls => Ok(with_nul(password)),
        Method::Sha256 => under_public_key(password, nonce, secrecy),
        Method::Ed25519 => Ok(ed25519(password, nonce)),
        // The server tells the salt first.
        Method::Parsec => Ok(Vec::new()),
        Method::Clear if secrecy.is_secret() => Ok(with_nul(password)),
        Method::Clear => Err(SessionError::Refused {
            problem: format!("the server wants the password in clear ({name}), and the connection is not encrypted"),
            remedy: "use --tls required, or the server's unix socket".into(),
        }),
        Method::Unknown => Err(SessionError::Refused {
            problem: format!("the account's method of authentication is not known here: {name}"),
            remedy: "use an account that is identified by mysql_native_password, caching_sha2_password, ed25519, parsec or unix_socket".into(),
        }),
    }
}

/// What follows when the server answers a proof of `caching_sha2_password` by "full authentication".
///
/// # Errors
/// The password would be sent where others may listen.
pub(crate) fn full_caching_sha2(
    password: &[u8],
    nonce: &[u8],
    secrecy: &Secrecy<'_>,
) -> Result<Vec<u8>, SessionError> {
    if secrecy.is_secret() { Ok(with_nul(password)) } else { under_public_key(password, nonce, secrecy) }
}

fn with_nul(password: &[u8]) -> Vec<u8> {
    [password, &[0]].concat()
}

/// The password, masked by the nonce, under the server's public key. The key comes from a file: one that the server
/// sends could be anybody's.
fn under_public_key(password: &[u8], nonce: &[u8], secrecy: &Secrecy<'_>) -> Result<Vec<u8>, SessionError> {
    let Some(path) = secrecy.public_key else {
        return Err(SessionError::Refused {
            problem: "the server asks for the whole password, and the connection is not encrypted".into(),
            remedy:
                "use --tls required, the server's unix socket, or give its public key by --server-public-key"
                    .into(),
        });
    };
    let unusable = |why: String| SessionError::Refused {
        problem: format!("the server's public key in {} cannot be used: {why}", path.display()),
        remedy: "take it from the server: SHOW STATUS LIKE 'Caching_sha2_password_rsa_public_key'".into(),
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let key = PublicKey::from_public_key_pem(&text)
        .or_else(|_| PublicKey::from_pkcs1_pem(&text))
        .map_err(|error| unusable(error.to_string()))?;
    let mut masked = with_nul(password);
    masked.iter_mut().zip(nonce.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    key.encrypt(&mut SysRng, Oaep::<Sha1>::new(), &masked).map_err(|error| unusable(error.to_string()))
}

/// The proof of `mysql_native_password`.
pub(crate) fn native(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    let once = Sha1::digest(password);
    let twice = Sha1::digest(once);
    let mask = Sha1::new().chain_update(&nonce[..nonce.len().min(20)]).chain_update(twice).finalize();
    once.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect()
}

/// The proof of `caching_sha2_password` to a server that remembers the password.
pub(crate) fn caching_sha2(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    let once = Sha256::digest(password);
    let twice = Sha256::digest(once);
    let mask = Sha256::new().chain_update(twice).chain_update(nonce).finalize();
    once.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect()
}

/// The method takes the password itself for the secret key, of which any length is hashed.
fn ed25519(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    let hash: [u8; 64] = Sha512::digest(password).into();
    let secret = ExpandedSecretKey::from_bytes(&hash);
    let public = VerifyingKey::from(&secret);
    raw_sign::<Sha512>(&secret, nonce, &public).to_bytes().to_vec()
}

/// What the server keeps of a password, in its binary form; none for methods that sign no certificate.
pub(crate) fn kept_by_server(method: Method, password: &[u8], salt: &[u8]) -> Option<Vec<u8>> {
    match method {
        Method::Native => Some(Sha1::digest(Sha1::digest(password)).to_vec()),
        Method::Ed25519 => {
            let hash: [u8; 64] = Sha512::digest(password).into();
            Some(VerifyingKey::from(&ExpandedSecretKey::from_bytes(&hash)).to_bytes().to_vec())
        }
        Method::Parsec => {
            let key = parsec_key(password, salt)?;
            Some([salt, &key.verifying_key().to_bytes()].concat())
        }
        _ => None,
    }
}

/// The key that `parsec` derives from a password; none where the salt is none.
fn parsec_key(password: &[u8], salt: &[u8]) -> Option<SigningKey> {
    let [b'P', factor @ 0..=3, salt @ ..] = salt else { return None };
    let mut seed = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, 1024 << factor, &mut seed);
    Some(SigningKey::from_bytes(&seed))
}

/// The answer to the salt of `parsec`: what the client adds at random, and the signature of both.
///
/// # Errors
/// The salt is none, or there are no random numbers.
pub(crate) fn parsec(password: &[u8], nonce: &[u8], salt: &[u8]) -> Result<Vec<u8>, SessionError> {
    let key =
        parsec_key(password, salt).ok_or_else(|| SessionError::Lost(malformed("a salt that is none")))?;
    let mut ours = [0; 32];
    getrandom::fill(&mut ours)
        .map_err(|error| SessionError::Lost(std::io::Error::other(error.to_string())))?;
    let signed = key.sign(&[nonce, &ours].concat());
    Ok([&ours[..], &signed.to_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_that_is_signed_may_end_with_any_byte() {
        let text = *b"12345678901234567890\0";
        assert_eq!(Method::Native.nonce(&text), &text[..20]);
        assert_eq!(Method::CachingSha2.nonce(&text[..20]), &text[..20]);
        for (last, more) in [(0, &[][..]), (7, &[]), (0, &[0]), (7, &[0])] {
            let mut random = vec![9; 32];
            random[31] = last;
            for method in [Method::Ed25519, Method::Parsec] {
                assert_eq!(method.nonce(&[&random, more].concat()), random);
            }
        }
    }
}

//! Until when the certificates are valid by which servers and stores are reached: those in the files that settings name.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use fwb::{CertificateFacts, Timestamp};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// The largest file that is read, in bytes: the authorities of a system take 0.3 MB.
const LARGEST: u64 = 4 << 20;
/// A file with more certificates is a bundle of the world's authorities: more than a chain and a few authorities of one's own.
const OURS: usize = 10;

/// The settings that name certificates.
const SETTINGS: [&str; 4] = ["FWB_STORE_CA", "AWS_CA_BUNDLE", "FWB_TLS_CA", "FWB_TLS_CERT"];

/// The files with certificates that settings name, and those that are `named` beside.
pub fn certificate_files(named: &[PathBuf]) -> Vec<(&'static str, PathBuf)> {
    let of_settings = SETTINGS.iter().filter_map(|name| {
        let file = std::env::var_os(name).filter(|file| !file.is_empty())?;
        Some((*name, PathBuf::from(file)))
    });
    of_settings.chain(named.iter().map(|file| ("--certificate", file.clone()))).collect()
}

/// The first certificate to expire in each of these files, which settings name. A file that cannot be read, or holds none, is
/// told in the log and left out: whoever connects by it fails with a better reason. A bundle of the world's authorities is left out
/// too: one of them always expires, and nobody here renews it.
pub fn certificates(files: &[(&str, PathBuf)]) -> Vec<CertificateFacts> {
    let facts = |(setting, file): &(&str, PathBuf)| {
        let ends = ends_of(file)?;
        let not_after = *ends.iter().min().filter(|_| ends.len() <= OURS)?;
        let file = file.display().to_string();
        Some(CertificateFacts { setting: (*setting).to_owned(), file, not_after })
    };
    files.iter().filter_map(facts).collect()
}

fn ends_of(file: &Path) -> Option<Vec<Timestamp>> {
    let told = |why: &dyn std::fmt::Display| {
        log::debug!("{} is not looked at: {why}", file.display());
    };
    let is_small = fs::metadata(file).map(|found| found.is_file() && found.len() <= LARGEST);
    let bytes = match is_small.and_then(|is_small| if is_small { fs::read(file) } else { Ok(Vec::new()) }) {
        Ok(bytes) => bytes,
        Err(error) => {
            told(&error);
            return None;
        }
    };
    let ends: Vec<Timestamp> =
        CertificateDer::pem_slice_iter(&bytes).filter_map(|der| end_of(&der.ok()?)).collect();
    if ends.is_empty() {
        told(&"it holds no certificate in PEM");
    }
    Some(ends)
}

fn end_of(der: &[u8]) -> Option<Timestamp> {
    let certificate = Certificate::from_der(der).ok()?;
    let end = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    let end = DateTime::<Utc>::from_timestamp(i64::try_from(end.as_secs()).ok()?, 0)?;
    Some(end.fixed_offset())
}

//! Requests to S3 that `object_store` does not make: which uploads were begun and not ended, and how long an object is kept from
//! being deleted. It signs their URLs.

use std::time::Duration;

use base64::Engine as _;
use chrono::SecondsFormat;
use fwb::{Error, Refusal, Result, Retention, RetentionMode};
use md5::{Digest as _, Md5};
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;

/// How long a signed URL is good for.
const GOOD_FOR: Duration = Duration::from_secs(15 * 60);
/// Between two tries, each twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// What makes them.
#[derive(Debug, Clone)]
pub(crate) struct OwnRequests {
    pub(crate) s3: AmazonS3,
    pub(crate) http: reqwest::Client,
}

/// Uploads that were begun (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Uploads {
    #[serde(default)]
    upload: Vec<Upload>,
}

/// An upload that was begun.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) upload_id: String,
}

impl OwnRequests {
    /// The uploads whose keys begin so, the first thousand of them; none where the store does not tell.
    pub(crate) async fn uploads(&self, prefix: &str) -> Option<Vec<Upload>> {
        let query = [("uploads", ""), ("prefix", prefix)];
        let options = SignedUrlOptions::new().with_query(query);
        let url = self.s3.signed_url_opts(Method::GET, &Path::default(), GOOD_FOR, &options).await.ok()?;
        let answer = self.http.get(url).send().await.ok()?;
        if answer.status() != StatusCode::OK {
            log::debug!("the store does not say which uploads were begun: {}", answer.status());
            return None;
        }
        let uploads: Uploads = quick_xml::de::from_str(&answer.text().await.ok()?).ok()?;
        Some(uploads.upload)
    }

    /// Keeps an object from being deleted until then
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html>).
    ///
    /// # Errors
    /// What the store said.
    pub(crate) async fn retain(&self, object: &str, path: &Path, retention: Retention) -> Result<()> {
        let until = retention.until.to_utc().to_rfc3339_opts(SecondsFormat::Secs, true);
        let mode = match retention.mode {
            RetentionMode::Governance => "GOVERNANCE",
            RetentionMode::Compliance => "COMPLIANCE",
        };
        let body = format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{mode}</Mode>\
             <RetainUntilDate>{until}</RetainUntilDate></Retention>"
        );
        let told = |problem: String, refusal: Refusal| Error::ObjectStore {
            action: "retain",
            object: object.into(),
            problem,
            refusal,
        };
        let refused = |problem: String| told(problem, Refusal::Failure);
        let md5 = base64::engine::general_purpose::STANDARD.encode(Md5::digest(&body));
        let value = HeaderValue::from_str(&md5).map_err(|error| refused(error.to_string()))?;
        let name = HeaderName::from_static("content-md5");
        let options =
            SignedUrlOptions::new().with_query([("retention", "")]).with_signed_header(name, value.clone());
        let signed = self.s3.signed_url_opts(Method::PUT, path, GOOD_FOR, &options).await;
        let url = signed.map_err(|said| refused(crate::errors::told(&said)))?;
        let mut pause = FIRST_PAUSE;
        loop {
            let put = self.http.put(url.clone()).header("content-md5", value.clone()).body(body.clone());
            let problem = match put.send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => {
                    let status = answer.status();
                    let text = answer.text().await.unwrap_or_default();
                    let problem = crate::errors::on_a_line(&format!("{status}: {text}"));
                    match status {
                        StatusCode::FORBIDDEN => return Err(told(problem, Refusal::Denied)),
                        status if !status.is_server_error() => return Err(told(problem, Refusal::Invalid)),
                        _ => {}
                    }
                    problem
                }
                Err(error) => error.without_url().to_string(),
            };
            // Asked twice, it does the same.
            if pause > LAST_PAUSE {
                return Err(refused(problem));
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn uploads_are_read() {
        let xml = "<?xml version=\"1.0\"?><ListMultipartUploadsResult><Bucket>b</Bucket><Upload><Key>p/a&amp;b</Key>\
                   <UploadId>1</UploadId><Initiated>2026-12-01T08:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>";
        let uploads: Uploads = quick_xml::de::from_str(xml).unwrap();
        assert_eq!(uploads.upload[0].key, "p/a&b");
        let none: Uploads = quick_xml::de::from_str("<ListMultipartUploadsResult/>").unwrap();
        assert!(none.upload.is_empty());
    }
}

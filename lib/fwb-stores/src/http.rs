//! Requests on their way to a store, and answers on theirs: what `object_store` cannot be asked to say, and does not bear.
//!
//! It completes an upload in parts whatever has the name by then. Here a completion asks for more: that there is nothing of the
//! name (`If-None-Match: *`). A store that does not know such a condition answers so, and is asked without it; one that ignores it
//! does what it did before. Azure learns at the completion whose the upload is, as it takes no such word when an upload begins.
//!
//! A listing comes without what has no name (`listing.rs`).

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::azure::{AzureAuthorizer, AzureCredentialProvider};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService, ReqwestConnector,
};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};

use crate::listing::trimmed;

/// What an object on Azure says of its upload (`fwbid` among its metadata).
const ID: HeaderName = HeaderName::from_static("x-ms-meta-fwbid");

tokio::task_local! {
    /// Whose upload this task is about to complete.
    static COMPLETING: Arc<str>;
}

/// Completes the upload of whoever has this identity, where there is nothing of its name.
pub(crate) async fn completing<T>(id: &str, completion: impl Future<Output = T>) -> T {
    COMPLETING.scope(id.into(), completion).await
}

/// Connects to a store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connector {
    /// Who signs for Azure.
    pub(crate) azure: Option<Arc<Signer>>,
}

/// Who signs requests to Azure again that have changed.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) account: String,
    /// Known once the client is made, before the first request.
    pub(crate) credentials: OnceLock<AzureCredentialProvider>,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Requests { inner, azure: self.azure.clone(), strays: Mutex::default() }))
    }
}

#[derive(Debug)]
struct Requests {
    inner: HttpClient,
    azure: Option<Arc<Signer>>,
    /// Keys without a name that were told.
    strays: Mutex<BTreeSet<String>>,
}

#[async_trait]
impl HttpService for Requests {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        match COMPLETING.try_with(Arc::clone) {
            Ok(id) if is_completion(&request) => self.complete(request, &id).await,
            _ if is_listing(&request) => self.list(request).await,
            _ => self.inner.execute(request).await,
        }
    }
}

impl Requests {
    async fn complete(&self, request: HttpRequest, id: &str) -> Result<HttpResponse, HttpError> {
        let mut plain = request;
        if self.azure.is_some() {
            plain.headers_mut().insert(ID, HeaderValue::from_str(id).map_err(unusable)?);
        }
        let mut conditional = plain.clone();
        conditional.headers_mut().insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        let answer = self.inner.execute(self.signed(conditional).await?).await?;
        if !matches!(answer.status(), StatusCode::BAD_REQUEST | StatusCode::NOT_IMPLEMENTED) {
            return Ok(answer);
        }
        // What it does not know it has not carried out. Whatever else it does not like it says again.
        log::debug!("an upload is completed without a condition: {}", answer.status());
        self.inner.execute(self.signed(plain).await?).await
    }

    async fn list(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.inner.execute(request).await?;
        if answer.status() != StatusCode::OK {
            return Ok(answer);
        }
        let (parts, body) = answer.into_parts();
        let bytes = body.bytes().await?;
        let trimmed = std::str::from_utf8(&bytes).ok().and_then(trimmed);
        let Some(trimmed) = trimmed else { return Ok(HttpResponse::from_parts(parts, bytes.into())) };
        if let Some(first) = trimmed.strays.first()
            && self.strays.lock().unwrap_or_else(PoisonError::into_inner).insert(first.clone())
        {
            let others = match trimmed.strays.len() - 1 {
                0 => String::new(),
                others => format!(", and {others} more"),
            };
            log::warn!(code = fwb::notice::LEFT_ALONE.code;
                "the key {first:?} is no name that a file of ours could have{others}: it is left alone");
        }
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::from(trimmed.xml)))
    }

    /// A request with a signature that is right: of Azure's, those by a key are made of all fields.
    async fn signed(&self, mut request: HttpRequest) -> Result<HttpRequest, HttpError> {
        let is_by_key = request
            .headers()
            .get(AUTHORIZATION)
            .is_some_and(|value| value.as_bytes().starts_with(b"SharedKey "));
        let Some(azure) = self.azure.as_ref().filter(|_| is_by_key) else { return Ok(request) };
        if let Some(credentials) = azure.credentials.get() {
            let credential = credentials.get_credential().await.map_err(unusable)?;
            request.headers_mut().remove(AUTHORIZATION);
            AzureAuthorizer::new(&credential, &azure.account)
                .try_authorize(&mut request)
                .map_err(unusable)?;
        }
        Ok(request)
    }
}

/// Whether a request completes an upload
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>,
/// <https://learn.microsoft.com/rest/api/storageservices/put-block-list>). Others, for credentials, go on the same way.
fn is_completion(request: &HttpRequest) -> bool {
    match *request.method() {
        Method::POST => asks(request, |word| word.starts_with("uploadId=")),
        Method::PUT => asks(request, |word| word == "comp=blocklist"),
        _ => false,
    }
}

/// Whether a request is for a listing, of S3 or Google, or of Azure.
fn is_listing(request: &HttpRequest) -> bool {
    request.method() == Method::GET && asks(request, |word| matches!(word, "list-type=2" | "comp=list"))
}

fn asks(request: &HttpRequest, is_it: impl Fn(&str) -> bool) -> bool {
    request.uri().query().is_some_and(|query| query.split('&').any(is_it))
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> HttpError {
    HttpError::new(HttpErrorKind::Request, error)
}

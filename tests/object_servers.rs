//! That the servers of objects which other tests stand on are what those tests take them for, and that the proxy before
//! them does what it is told.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::support::faulty_proxy::{FaultyProxy, Misfortune};
use super::support::http::{ask, read_answer};
use super::support::object_server::{Bucket, KINDS, Kind, ObjectServer, hmac};
use super::support::sha256;

/// More than what a socket holds back.
const LARGE: usize = 6 << 20;

/// Writes an object under a condition, and returns the status.
fn put_if(bucket: &Bucket, key: &str, field: &str, value: &str) -> u16 {
    bucket.ask("PUT", Some(key), &[], &[(field, value)], b"second").status
}

/// An object's entity tag.
fn tag(bucket: &Bucket, key: &str) -> String {
    bucket.ask("HEAD", Some(key), &[], &[], b"").head.field("ETag").expect("a tag").to_owned()
}

#[test]
fn objects_come_back_through_the_proxy() {
    for kind in KINDS {
        let server = ObjectServer::shared(kind);
        let bucket = server.bucket();
        let proxy = FaultyProxy::new(server.address());
        let ask = |method, key, body: &[u8]| {
            bucket.ask_at(proxy.address(), method, Some(key), &[], &[], body).expect("an answer")
        };
        let bytes: Vec<u8> = (0..LARGE).map(|at| u8::try_from(at % 251).unwrap()).collect();
        assert_eq!(ask("PUT", "a/large one+ü", &bytes).status / 100, 2, "{kind:?}");
        assert!(ask("GET", "a/large one+ü", b"").body == bytes, "{kind:?}");
        assert_eq!(ask("HEAD", "a/large one+ü", b"").status, 200, "{kind:?}");
        assert_eq!(bucket.keys(), ["a/large one+ü"], "{kind:?}");
        assert_eq!(ask("DELETE", "a/large one+ü", b"").status / 100, 2, "{kind:?}");
        assert_eq!(bucket.get("a/large one+ü"), None, "{kind:?}");
        assert_eq!(proxy.count("PUT"), 1, "{kind:?}");
        assert_eq!(proxy.bytes(), (LARGE as u64, LARGE as u64), "{kind:?}");
        let log = proxy.log();
        let methods: Vec<&str> = log.iter().map(|request| request.method.as_str()).collect();
        assert_eq!(methods, ["PUT", "GET", "HEAD", "DELETE"], "{kind:?}");
        assert!(log.iter().all(|request| request.status.is_some_and(|status| status / 100 == 2)), "{log:?}");
    }
}

#[test]
fn conditions_hold_where_they_are_said_to() {
    for kind in KINDS {
        let bucket = ObjectServer::shared(kind).bucket();
        bucket.put("a", "first");
        let first = tag(&bucket, "a");
        let exists = if kind.is_azure() { 409 } else { 412 };
        let (create, update) = match kind {
            Kind::S3rver => (200, 200),
            Kind::Localbucket => (exists, 200),
            _ => (exists, 412),
        };
        assert_eq!(put_if(&bucket, "new", "If-None-Match", "*") / 100, 2, "{kind:?}");
        assert_eq!(put_if(&bucket, "a", "If-None-Match", "*"), create, "{kind:?}");
        assert_eq!(bucket.get("a").as_deref() == Some(b"first"), create != 200, "{kind:?}");
        bucket.delete("a");
        bucket.put("a", "first");
        let current = if kind.is_azure() { tag(&bucket, "a") } else { first };
        assert_eq!(put_if(&bucket, "a", "If-Match", &current) / 100, 2, "{kind:?}");
        assert_eq!(bucket.get("a").as_deref(), Some(&b"second"[..]), "{kind:?}");
        assert_eq!(put_if(&bucket, "a", "If-Match", &current), update, "{kind:?}");
        let read = bucket.ask("GET", Some("a"), &[], &[("If-Match", &current)], b"").status;
        assert_eq!(read, update, "{kind:?}");
    }
}

#[test]
fn of_many_who_create_an_object_one_does() {
    for kind in [Kind::Ministack, Kind::Moto, Kind::Localbucket, Kind::Azurite] {
        let bucket = ObjectServer::shared(kind).bucket();
        let created = std::thread::scope(|scope| {
            let put = || put_if(&bucket, "lock", "If-None-Match", "*") / 100 == 2;
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(put)).collect();
            threads.into_iter().filter_map(|thread| thread.join().expect("no panic").then_some(())).count()
        });
        assert_eq!(created, 1, "{kind:?}");
    }
}

/// What a user who signs with this secret is answered (AWS's manual, "Signature Version 4").
fn ask_as_user(bucket: &Bucket, server: &ObjectServer, method: &str, key: &str, secret: &str) -> u16 {
    let environment = bucket.environment(server.address());
    let value = |name| &environment.iter().find(|(other, _)| *other == name).expect("a variable").1;
    let time = chrono::Utc::now().format("%Y%m%dT%H%M%SZ").to_string();
    let scope = format!("{}/{}/s3/aws4_request", &time[..8], value("AWS_REGION"));
    let (body, signed) = (sha256(b""), "host;x-amz-content-sha256;x-amz-date");
    let fields = format!("host:{}\nx-amz-content-sha256:{body}\nx-amz-date:{time}\n", server.address());
    let canonical = format!("{method}\n/{}/{key}\n\n{fields}\n{signed}\n{body}", bucket.name());
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let secret = format!("AWS4{secret}").into_bytes();
    let key_of_day = scope.split('/').fold(secret, |key, part| hmac(&key, part.as_bytes()).to_vec());
    let signature: String = hmac(&key_of_day, text.as_bytes()).map(|byte| format!("{byte:02x}")).concat();
    let credential = format!("{}/{scope}", value("AWS_ACCESS_KEY_ID"));
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={signature}");
    let fields =
        [("Authorization", authorization.as_str()), ("X-Amz-Date", &time), ("X-Amz-Content-Sha256", &body)];
    ask(server.address(), method, &format!("/{}/{key}", bucket.name()), &fields, b"")
        .expect("an answer")
        .status
}

#[test]
fn signatures_and_rights_count() {
    let server = ObjectServer::shared(Kind::Ministack);
    let bucket = server.bucket();
    bucket.put("a", "an object");
    let ask = |bucket: &Bucket, method, key| {
        let secret = bucket.environment(server.address())[1].1.clone();
        ask_as_user(bucket, server, method, key, &secret)
    };
    assert_eq!(ask(&bucket, "GET", "a"), 200);
    assert_eq!(ask_as_user(&bucket, server, "GET", "a", "another secret"), 403);
    let writer = bucket.with_rights(&["s3:PutObject", "s3:GetObject"]);
    assert_eq!(
        [ask(&writer, "GET", "a"), ask(&writer, "PUT", "b"), ask(&writer, "DELETE", "a")],
        [200, 200, 403]
    );
    assert_eq!(ask(&bucket, "DELETE", "a"), 204);
    assert_eq!(bucket.keys(), ["b"]);
}

#[test]
fn an_upload_in_parts_is_seen_and_aborted() {
    for kind in [Kind::Ministack, Kind::Moto] {
        let bucket = ObjectServer::shared(kind).bucket();
        let text = bucket.ask("POST", Some("a"), &[("uploads", "")], &[], b"").text();
        let id = text.split("<UploadId>").nth(1).and_then(|rest| rest.split('<').next()).expect("an upload");
        let part =
            || bucket.ask("PUT", Some("a"), &[("partNumber", "1"), ("uploadId", id)], &[], b"part").status;
        assert_eq!(
            (part(), bucket.uploads(), bucket.keys()),
            (200, vec!["a".to_owned()], vec![]),
            "{kind:?}"
        );
        assert_eq!(bucket.ask("DELETE", Some("a"), &[("uploadId", id)], &[], b"").status, 204, "{kind:?}");
        assert_eq!(part(), if kind == Kind::Moto { 500 } else { 404 }, "{kind:?}");
        assert_eq!(bucket.uploads(), Vec::<String>::new(), "{kind:?}");
    }
    let bucket = ObjectServer::shared(Kind::Azurite).bucket();
    let block = [("blockid", "MDAwMA=="), ("comp", "block")];
    assert_eq!(bucket.ask("PUT", Some("a"), &block, &[], b"part").status, 201);
    assert_eq!((bucket.uploads(), bucket.keys()), (vec!["a".to_owned()], vec![]));
}

#[test]
fn the_proxy_does_what_is_planned() {
    for kind in KINDS {
        let server = ObjectServer::shared(kind);
        let bucket = server.bucket();
        let proxy = FaultyProxy::new(server.address());
        let large = vec![b'x'; LARGE];
        let put = |misfortune| {
            bucket.put("a", "before");
            proxy.plan_at(1, misfortune);
            let answer = bucket.ask_at(proxy.address(), "PUT", Some("a"), &[], &[], &large);
            let sent = proxy.log()[0].sent;
            (
                answer.map_or(0, |answer| answer.status),
                bucket.get("a").is_some_and(|body| body == large),
                sent,
            )
        };
        let all = LARGE as u64;
        assert_eq!(put(Misfortune::CutBefore), (0, false, 0), "{kind:?}");
        assert_eq!(put(Misfortune::CutAfter), (0, true, all), "{kind:?}");
        // These two take what came for all.
        if ![Kind::Localbucket, Kind::S3rver].contains(&kind) {
            assert_eq!(put(Misfortune::CutRequest(100_000)), (0, false, 100_000), "{kind:?}");
            assert_eq!(bucket.get("a").as_deref(), Some(&b"before"[..]), "{kind:?}");
        }
        for status in [403, 500, 503] {
            assert_eq!(put(Misfortune::Answer(status)), (status, false, 0), "{kind:?}");
            assert_eq!(put(Misfortune::AnswerAfter(status)), (status, true, all), "{kind:?}");
        }
        let began = Instant::now();
        let (status, done, _) = put(Misfortune::Delay(Duration::from_millis(300)));
        assert_eq!((status / 100, done), (2, true), "{kind:?}");
        assert!(began.elapsed() >= Duration::from_millis(300), "{kind:?}");

        let get = |misfortune| {
            proxy.plan_at(1, misfortune);
            let answer = bucket.ask_at(proxy.address(), "GET", Some("a"), &[], &[], b"");
            (answer.is_ok(), proxy.log()[0].received)
        };
        assert_eq!(get(Misfortune::CutAnswer(100_000)), (false, 100_000), "{kind:?}");
        assert_eq!(get(Misfortune::CutAfter), (false, 0), "{kind:?}");
        proxy.plan_nothing();
        assert_eq!(
            bucket.ask_at(proxy.address(), "GET", Some("a"), &[], &[], b"").unwrap().body.len(),
            LARGE
        );
    }
}

#[test]
fn the_proxy_hides_a_field() {
    let server = ObjectServer::shared(Kind::Moto);
    let bucket = server.bucket();
    let proxy = FaultyProxy::new(server.address());
    bucket.put("a", "first");
    let put = || {
        let condition = [("If-None-Match", "*")];
        bucket.ask_at(proxy.address(), "PUT", Some("a"), &[], &condition, b"second").unwrap().status
    };
    assert_eq!(put(), 412);
    proxy.plan(|_| Some(Misfortune::Without("if-none-match")));
    assert_eq!(put(), 200);
    let request = &proxy.log()[0];
    assert_eq!(request.head.field("If-None-Match"), Some("*"), "the log has what the client said");
    assert_eq!(request.target, format!("/{}/a", bucket.name()));
}

/// One connection for several requests: bodies in chunks, a client that waits to be told to go on, answers without a
/// body.
#[test]
fn the_proxy_keeps_a_connection() {
    for kind in KINDS {
        let server = ObjectServer::shared(kind);
        let bucket = server.bucket();
        bucket.put("a", "an object");
        let proxy = FaultyProxy::new(server.address());
        proxy.plan(|request| (request.method == "PUT").then_some(Misfortune::Answer(503)));
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        let mut from = BufReader::new(client.try_clone().unwrap());
        let target = format!("/{}/absent", bucket.name());
        let mut ask = |method: &str, fields: &str, body: &str| {
            let request =
                format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n{body}", server.address());
            client.write_all(request.as_bytes()).unwrap();
            read_answer(&mut from, method).unwrap()
        };
        assert!((400..=404).contains(&ask("HEAD", "", "").status), "{kind:?}");
        let chunked = "Transfer-Encoding: chunked\r\n";
        assert_eq!(ask("PUT", chunked, "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n").status, 503, "{kind:?}");
        assert_eq!(
            ask("PUT", "Content-Length: 5\r\nExpect: 100-continue\r\n", "hello").status,
            100,
            "{kind:?}"
        );
        let answer = read_answer(&mut from, "PUT").unwrap();
        assert_eq!((answer.status, answer.text().contains("SlowDown")), (503, true), "{kind:?}");
        assert_eq!(proxy.count(""), 3, "{kind:?}");
    }
}

#[test]
fn a_private_server_goes_with_its_data() {
    let server = ObjectServer::private(Kind::Ministack);
    let address = server.address();
    server.bucket().put("a", "an object");
    drop(server);
    assert!(TcpStream::connect(address).is_err());
}

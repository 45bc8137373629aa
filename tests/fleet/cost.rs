//! What a server more costs at an object store: requests, which its bill and its limits count. `docs/FLEETS.md` tells the numbers.

use super::{Place, summary};
use crate::support::faulty_proxy::FaultyProxy;
use crate::support::object_server::{Kind, ObjectServer};
use crate::support::{Database, Server, Tool};

/// How many servers.
const SERVERS: usize = 3;

/// With a store of its own, a server's night costs the same whether there are three or a thousand: no request is about another server.
#[test]
fn a_night_of_a_server_costs_the_same_however_many_there_are() {
    let database = Database::sample("fleet_cost");
    let server = ObjectServer::shared(Kind::Ministack);
    let proxy = FaultyProxy::new(server.address());
    let bucket = server.bucket();
    let lines =
        (0..SERVERS).map(|at| format!("s{at} defaults-file=HERE/cnf{at} database={}\n", database.name));
    let place = Place::new(&format!(
        "* keep-days=7 store=s3://{}/fleet/{{name}}\n{}",
        bucket.name(),
        lines.collect::<String>()
    ));
    for at in 0..SERVERS {
        std::fs::copy(Server::shared().defaults_file(), place.file(&format!("cnf{at}"))).unwrap();
    }
    let known = |tool: Tool, cache: &str| {
        let tool = tool.env("FWB_CACHE_DIR", place.file(cache)).env("FWB_RUN_DEADLINE", "0s");
        bucket
            .environment(proxy.address())
            .into_iter()
            .fold(tool, |tool, (name, value)| tool.env(name, value))
    };
    let tool = |name: &str| Tool::alone(name).arg("--fleet").arg(place.file("fleet"));
    let mut asked = Vec::new();
    for night in 0..3 {
        proxy.plan_nothing();
        // A pod begins with an empty cache.
        let cache = format!("cache{night}");
        let out = known(tool("fwb-run").args(["backup", "--fleet-jobs=1"]), &cache).run().ok();
        assert_eq!(summary(&out)["ok"], SERVERS);
        let log = proxy.log();
        let of = |at: usize| {
            let is_of = |target: &str| {
                ["/", "%2F"].iter().any(|slash| target.contains(&format!("fleet{slash}s{at}")))
            };
            log.iter().filter(|request| is_of(&request.target)).count()
        };
        let each: Vec<usize> = (0..SERVERS).map(of).collect();
        assert!(each.iter().all(|count| *count == each[0]), "{each:?}");
        let about_nobody = log.len() - each.iter().sum::<usize>();
        asked.push((
            each[0],
            about_nobody,
            ["GET", "PUT", "HEAD", "POST", "DELETE"].map(|method| proxy.count(method)),
        ));
    }
    proxy.plan_nothing();
    known(tool("fwb-report"), "cache-report").run().ok();
    let report = (proxy.log().len(), ["GET", "PUT", "HEAD"].map(|method| proxy.count(method)));
    println!("nights: {asked:?}; report of {SERVERS} servers with 3 backups each: {report:?}");
    let (each, about_nobody, _) = asked[2];
    assert!(each <= 90 && about_nobody == 0, "{asked:?}");
    assert!(report.0 <= SERVERS * 30, "{report:?}");
}

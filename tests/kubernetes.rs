//! `k8s/`: what a cluster is told. Whoever applies it does not read it, and what is wrong there shows at two at night,
//! or to whoever gets into the pod.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::manifests::{Object, OwnOverlay, build, file, objects, python, read};
use crate::support::{Output, Tool};

const OVERLAYS: [&str; 7] = [
    "overlays/microk8s",
    "overlays/encrypted",
    "overlays/tcp",
    "overlays/generic",
    "overlays/s3",
    "overlays/s3-encrypted",
    "overlays/rebuild",
];
const RESTORES: [&str; 4] = ["restore/microk8s", "restore/tcp", "restore/generic", "restore/s3"];
const MARIADB: &str = "mariadb";
const FOLLOW: [&str; 4] = ["follow/tcp", "follow/pod", "follow/s3", "follow/encrypted"];
const FLEET: &str = "fleet";
const MONITORING: [&str; 3] = ["monitoring", "monitoring/report", "monitoring/s3"];

/// Those whose backups lie in a bucket, and where.
const IN_A_BUCKET: [&str; 3] = ["overlays/s3", "overlays/s3-encrypted", "restore/s3"];
const BUCKET: &str = "s3://filewallball-backups/filewallball";

/// Kubernetes' minor versions whose schemas everything is held against. That of 1.28 wants `onPodConditions` in every rule,
/// which its server does not.
const VERSIONS: [&str; 9] = ["1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"];

/// What a container that takes over a directory of the host needs, and no other may have.
pub(crate) const TAKING_OVER: [&str; 4] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"];

fn all() -> impl Iterator<Item = &'static str> {
    OVERLAYS.into_iter().chain(RESTORES).chain([MARIADB, FLEET]).chain(FOLLOW).chain(MONITORING)
}

#[track_caller]
fn one<'a>(objects: &'a [Object], kind: &str, name: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object.kind() == kind && object.name() == name);
    let object = found.next().unwrap_or_else(|| panic!("no {kind}/{name}"));
    assert!(found.next().is_none(), "two {kind}/{name}");
    &object.0
}

fn kinds(objects: &[Object]) -> BTreeSet<&str> {
    objects.iter().map(Object::kind).collect()
}

/// The environment of a container: a value, or where it comes from.
fn environment(container: &Value) -> BTreeMap<&str, &Value> {
    let entries = container["env"].as_array().into_iter().flatten();
    entries
        .map(|entry| {
            let value = entry.get("value").or(entry.get("valueFrom")).expect("a value");
            (entry["name"].as_str().unwrap(), value)
        })
        .collect()
}

/// The container that does the work of a job.
fn worker(object: &Value) -> &Value {
    let pod = object.pointer("/spec/jobTemplate/spec/template").unwrap_or(&object["spec"]["template"]);
    let containers = pod["spec"]["containers"].as_array().expect("containers");
    let [only] = &containers[..] else { panic!("one container") };
    only
}

#[test]
fn every_object_is_valid_for_every_version_of_kubernetes() {
    let all: Vec<String> = all().map(build).collect();
    python("validate", &VERSIONS).stdin(all.join("\n---\n")).run().ok();
}

#[test]
fn what_is_wrong_in_an_object_is_found() {
    let valid = format!("{}\n---\n{}", build("overlays/microk8s"), build("monitoring"));
    for (right, wrong, found) in [
        ("concurrencyPolicy:", "concurencyPolicy:", "concurencyPolicy"),
        ("backoffLimit: 2", "backoffLimit: two", "backoffLimit"),
        ("kind: NetworkPolicy", "kind: NetworkPolice", "NetworkPolice"),
        ("schedule: 0 2 * * *", "schedule: 0 2 * * *\n  schedule: 0 3 * * *", "twice"),
        ("path: /metrics", "paths: /metrics", "paths"),
        ("for: 15m", "for: 15 minutes", "15 minutes"),
        ("kind: ServiceMonitor", "kind: ServiceMonitors", "ServiceMonitors"),
    ] {
        assert!(valid.contains(right), "{right}");
        let output = python("validate", &["1.33"]).stdin(valid.replace(right, wrong)).run();
        assert_ne!(output.code, Some(0), "{wrong}");
        assert!(format!("{}{}", output.stdout_text(), output.stderr).contains(found), "{output:?}");
    }
    python("validate", &["1.33"]).stdin("").run().exits(1);
}

#[test]
fn a_container_may_do_as_little_as_it_needs() {
    for name in all() {
        for object in objects(name) {
            let Some(pod) = object.pod() else { continue };
            let place = format!("{name}: {}", object.name());
            let spec = &pod["spec"];
            assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{place}");
            assert!(spec["securityContext"]["runAsUser"].as_u64() > Some(0), "{place}");
            assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{place}");
            for shared in ["hostNetwork", "hostPID", "hostIPC", "hostUsers"] {
                assert_eq!(spec.get(shared), None, "{place}");
            }
            for container in object.containers() {
                let context = &container["securityContext"];
                let place = format!("{place}: {}", container["name"]);
                assert_eq!(context["readOnlyRootFilesystem"], true, "{place}");
                assert_eq!(context["allowPrivilegeEscalation"], false, "{place}");
                assert_eq!(context["capabilities"]["drop"], json!(["ALL"]), "{place}");
                assert_eq!(context.get("privileged"), None, "{place}");
                assert_eq!(context.get("seccompProfile"), None, "{place}: as the pod");
                if container["name"] == "prepare-store" {
                    assert_eq!(context["capabilities"]["add"], json!(TAKING_OVER), "{place}");
                    assert_eq!(
                        container["volumeMounts"],
                        json!([{"name": "backup", "mountPath": "/backup"}])
                    );
                    assert_eq!(container["command"], json!(["/opt/fwb/scripts/prepare-store.sh"]));
                } else {
                    assert_eq!(context["capabilities"].get("add"), None, "{place}");
                    assert_eq!(context.get("runAsUser"), None, "{place}: as the pod");
                    assert_eq!(context.get("runAsNonRoot"), None, "{place}: as the pod");
                }
                for of in ["requests", "limits"] {
                    for what in ["cpu", "memory"] {
                        assert!(container["resources"][of][what].is_string(), "{place}: {of} {what}");
                    }
                }
            }
            for volume in spec["volumes"].as_array().unwrap() {
                assert_eq!(volume.get("hostPath"), None, "{place}: only a volume leads to the host");
            }
        }
    }
}

#[test]
fn a_job_ends_says_why_and_writes_where_it_may() {
    for name in OVERLAYS.into_iter().chain(RESTORES) {
        for object in objects(name).iter().filter(|object| matches!(object.kind(), "CronJob" | "Job")) {
            let place = format!("{name}: {}", object.name());
            let spec = &object.pod().unwrap()["spec"];
            assert_eq!(spec["restartPolicy"], "Never", "{place}: the log of a failed try stays");
            assert_eq!(spec["securityContext"]["runAsUser"], 10001, "{place}");
            assert_eq!(spec["securityContext"]["runAsGroup"], 10001, "{place}");
            let container = worker(&object.0);
            assert_eq!(container["terminationMessagePolicy"], "FallbackToLogsOnError", "{place}");
            let mounts = container["volumeMounts"].as_array().unwrap().iter();
            let writable = mounts.filter(|mount| mount["readOnly"] != true);
            let writable: BTreeSet<_> = writable.map(|mount| mount["mountPath"].as_str().unwrap()).collect();
            let (expected, store) = if IN_A_BUCKET.contains(&name) {
                (BTreeSet::from(["/tmp"]), BUCKET)
            } else {
                (BTreeSet::from(["/backup", "/tmp"]), "/backup")
            };
            assert_eq!(writable, expected, "{place}");
            assert_eq!(environment(container)["FWB_STORE"], store, "{place}");
        }
    }
}

#[test]
fn a_cron_job_is_what_the_strategy_says() {
    for name in OVERLAYS {
        let objects = objects(name);
        let backup = one(&objects, "CronJob", "filewallball-backup-cronjob");
        let drill = one(&objects, "CronJob", "filewallball-drill-cronjob");
        assert_eq!(backup["spec"]["schedule"], "0 2 * * *", "{name}");
        assert_eq!(drill["spec"]["schedule"], "0 4 * * 0", "{name}");
        for (job, what) in [(backup, "backup"), (drill, "drill")] {
            let spec = &job["spec"];
            assert_eq!(spec["concurrencyPolicy"], "Forbid", "{name}");
            assert_eq!(spec["successfulJobsHistoryLimit"], 3, "{name}");
            assert_eq!(spec["failedJobsHistoryLimit"], 1, "{name}");
            assert!(
                spec["startingDeadlineSeconds"].as_u64() >= Some(3600),
                "{name}: a late start is a start"
            );
            let job = &spec["jobTemplate"]["spec"];
            let longest = job["activeDeadlineSeconds"].as_u64().expect("an end");
            let latest = longest + spec["startingDeadlineSeconds"].as_u64().unwrap();
            assert!(latest < 24 * 3600, "{name}: a run that hangs must not stop the next night's");
            assert!(job["backoffLimit"].as_u64() > Some(0), "{name}: a failure is worth a retry");
            let container = worker(job_template(spec));
            assert_eq!(container["command"], json!(["fwb-run", what]), "{name}");
            let environment = environment(container);
            assert_eq!(environment["TZ"], &spec["timeZone"], "{name}: names and log in the schedule's time");
            assert_eq!(environment["FWB_DATABASE"], "filewallball_db", "{name}");
            assert_eq!(environment.contains_key("FWB_KEEP_DAYS"), what == "backup", "{name}");
        }
    }
}

/// Where the drill or the restore called the server otherwise, its backups would be two servers': no drill would find
/// one, and a change of overlays would begin anew.
#[test]
fn the_server_has_one_name_in_all_files() {
    for name in OVERLAYS.into_iter().chain(RESTORES) {
        for object in objects(name).iter().filter(|object| matches!(object.kind(), "CronJob" | "Job")) {
            let spec = object.0.get("spec").filter(|spec| spec.get("jobTemplate").is_some());
            let container = worker(spec.map_or(&object.0, job_template));
            assert_eq!(environment(container)["FWB_SERVER_ID"], "filewallball", "{name}: {}", object.name());
        }
    }
}

/// A job template stands where a job does.
fn job_template(spec: &Value) -> &Value {
    &spec["jobTemplate"]
}

#[test]
fn the_exit_code_decides_whether_a_job_is_tried_again() {
    for job in objects("overlays/microk8s").iter().filter(|object| object.kind() == "CronJob") {
        let rules = &job.0["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"];
        let [disruption, hopeless] = &rules.as_array().expect("rules")[..] else { panic!("two rules") };
        assert_eq!(disruption["action"], "Ignore");
        assert_eq!(disruption["onPodConditions"], json!([{"type": "DisruptionTarget", "status": "True"}]));
        assert_eq!(hopeless["action"], "FailJob");
        assert_eq!(hopeless["onExitCodes"], json!({"operator": "In", "values": [2, 3]}));
    }
}

#[test]
fn no_password_is_in_any_file() {
    const NAMES: [&str; 7] = [
        "password",
        "root-password",
        "/run/secrets/fwb/password",
        "FWB_PASSWORD_FILE",
        "MARIADB_PASSWORD",
        "MARIADB_ROOT_PASSWORD",
        "mariadb-secret",
    ];
    fn strings<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::String(text) => found.push(text),
            Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
            Value::Object(entries) => entries.values().for_each(|value| strings(value, found)),
            _ => {}
        }
    }
    for name in all() {
        for object in objects(name) {
            let is_fleet = object.kind() == "ConfigMap" && object.name().starts_with("filewallball-fleet-");
            let is_ours = object.name() == "filewallball-dashboard" || is_fleet;
            assert!(!matches!(object.kind(), "Secret" | "ConfigMap") || is_ours, "{name}: {}", object.name());
            let mut found = Vec::new();
            strings(&object.0, &mut found);
            // A fleet file with a secret is refused by whoever reads it.
            let fleet = object.0["data"]["fleet"].as_str().filter(|_| is_fleet);
            assert!(fleet.is_none_or(|text| fwb::Fleet::parse(text, Path::new("fleet")).is_ok()), "{name}");
            for text in found.into_iter().filter(|text| Some(*text) != fleet) {
                let lower = text.to_lowercase();
                let tells = lower.contains("password") || lower.contains("secret");
                let is_a_name = NAMES.contains(&text)
                    || text.starts_with("/run/secrets/")
                    || lower.ends_with("-credentials");
                assert!(!tells || is_a_name, "{name}: {text}");
            }
            for container in object.containers() {
                for (variable, value) in environment(container) {
                    let tells =
                        ["PASSWORD", "SECRET", "ACCESS_KEY"].iter().any(|word| variable.contains(word));
                    let holds = tells && !variable.ends_with("_FILE");
                    assert!(!holds || value["secretKeyRef"]["name"].is_string(), "{name}: {variable}");
                }
            }
        }
    }
}

#[test]
fn the_role_has_what_exec_needs_and_nothing_else() {
    for name in ["overlays/microk8s", "overlays/generic", "overlays/s3", "overlays/rebuild"] {
        let objects = objects(name);
        assert!(!kinds(&objects).iter().any(|kind| kind.starts_with("Cluster")), "{name}");
        let role = one(&objects, "Role", "filewallball-backup-role");
        assert_eq!(
            role["rules"],
            json!([
                {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
                {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get", "create"]},
            ]),
            "{name}"
        );
        let binding = one(&objects, "RoleBinding", "filewallball-backup-rolebinding");
        assert_eq!(binding["roleRef"]["name"], "filewallball-backup-role");
        assert_eq!(
            binding["subjects"],
            json!([{"kind": "ServiceAccount", "name": "filewallball-backup-sa", "namespace": "filewallball"}])
        );
        let account = one(&objects, "ServiceAccount", "filewallball-backup-sa");
        assert_eq!(account["automountServiceAccountToken"], false, "{name}");
        assert_eq!(with_token(&objects), ["filewallball-backup-cronjob"], "{name}: the drill needs none");
        let backup = one(&objects, "CronJob", "filewallball-backup-cronjob");
        let environment = environment(worker(job_template(&backup["spec"])));
        assert_eq!(environment["FWB_POD_SELECTOR"], "app=mariadb", "{name}");
        assert_eq!(environment["FWB_NAMESPACE"]["fieldRef"]["fieldPath"], "metadata.namespace", "{name}");
    }
    for name in ["restore/microk8s", "restore/generic", "restore/s3"] {
        assert_eq!(with_token(&objects(name)), ["filewallball-restore"], "{name}");
    }
}

/// The objects whose pods get a token for the API.
fn with_token(objects: &[Object]) -> Vec<&str> {
    let gets_one = |object: &&Object| {
        object.pod().is_some_and(|pod| {
            let said = pod["spec"]["automountServiceAccountToken"].as_bool();
            assert!(said.is_some(), "{} leaves it to its account", object.name());
            said == Some(true)
        })
    };
    objects.iter().filter(gets_one).map(Object::name).collect()
}

#[test]
fn the_tcp_overlay_has_no_right_at_the_api() {
    for name in ["overlays/tcp", "restore/tcp"] {
        let objects = objects(name);
        let kinds = kinds(&objects);
        assert!(!kinds.iter().any(|kind| kind.contains("Role")), "{name}: {kinds:?}");
        assert_eq!(with_token(&objects), <[&str; 0]>::default(), "{name}");
        for object in objects.iter().filter(|object| object.pod().is_some()) {
            let spec = &object.pod().unwrap()["spec"];
            for volume in spec["volumes"].as_array().unwrap() {
                assert_eq!(volume.get("projected"), None, "{name}: a token by another way");
            }
        }
    }
    let (overlay, restore) = (objects("overlays/tcp"), objects("restore/tcp"));
    let backup = worker(job_template(&one(&overlay, "CronJob", "filewallball-backup-cronjob")["spec"]));
    let restore = worker(one(&restore, "Job", "filewallball-restore"));
    for (container, secret) in
        [(backup, "filewallball-backup-credentials"), (restore, "filewallball-restore-credentials")]
    {
        let environment = environment(container);
        // A namespace without a pod is refused by the tools.
        for variable in ["FWB_POD_SELECTOR", "FWB_POD", "FWB_NAMESPACE"] {
            assert_eq!(environment.get(variable), None);
        }
        assert_eq!(environment["FWB_HOST"], "mariadb-service");
        assert_eq!(environment["FWB_USER"]["secretKeyRef"]["name"], secret);
        assert_eq!(environment["FWB_PASSWORD_FILE"], "/run/secrets/fwb/password");
    }
}

#[test]
fn the_backups_outlive_the_cluster() {
    for name in ["overlays/microk8s", "overlays/tcp", "overlays/rebuild"] {
        let objects = objects(name);
        let volume = &one(&objects, "PersistentVolume", "filewallball-backup-pv")["spec"];
        let claim = one(&objects, "PersistentVolumeClaim", "filewallball-backup-pvc");
        assert_eq!(volume["persistentVolumeReclaimPolicy"], "Retain", "{name}");
        assert_eq!(claim["spec"]["volumeName"], "filewallball-backup-pv", "{name}: bound, not provisioned");
        assert_eq!(volume["claimRef"]["name"], claim["metadata"]["name"], "{name}");
        assert_eq!(volume["claimRef"]["namespace"], claim["metadata"]["namespace"], "{name}");
        for spec in [volume, &claim["spec"]] {
            assert_eq!(spec["storageClassName"], "microk8s-hostpath", "{name}");
        }
        assert_eq!(volume["capacity"]["storage"], "10Gi", "{name}");
        assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "10Gi", "{name}");
        for job in objects.iter().filter(|object| object.kind() == "CronJob") {
            assert_eq!(
                job.containers()[0]["name"],
                "prepare-store",
                "{name}: fsGroup does not reach a hostPath"
            );
        }
    }
}

#[test]
fn the_path_on_the_host_is_one_patch_away() {
    let own = OwnOverlay::new();
    let patch = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../tcp]\npatches:\n  \
                 - target: {kind: PersistentVolume}\n    patch: |-\n      \
                 - {op: replace, path: /spec/hostPath/path, value: /srv/backups}\n";
    let built = own.build(patch);
    assert!(built.contains("/srv/backups"));
    assert_eq!(built.replace("/srv/backups", ""), {
        let tcp = build("overlays/tcp");
        let volume = read(&tcp).into_iter().find(|object| object.kind() == "PersistentVolume").unwrap();
        tcp.replace(volume.0["spec"]["hostPath"]["path"].as_str().unwrap(), "")
    });
}

#[test]
fn any_cluster_can_take_the_generic_overlay() {
    for name in ["overlays/generic", "restore/generic"].into_iter().chain(IN_A_BUCKET) {
        let objects = objects(name);
        assert!(!kinds(&objects).contains("PersistentVolume"), "{name}");
        for object in objects {
            let Some(pod) = object.pod() else { continue };
            assert_eq!(pod["spec"].get("initContainers"), None, "{name}: nothing runs as root");
            assert_eq!(pod["spec"]["securityContext"]["fsGroup"], 10001, "{name}");
        }
    }
    let objects = objects("overlays/generic");
    let claim = &one(&objects, "PersistentVolumeClaim", "filewallball-backup-pvc")["spec"];
    assert_eq!(claim.get("storageClassName"), None);
    assert_eq!(claim.get("volumeName"), None);
}

#[test]
fn a_bucket_takes_the_place_of_the_volume() {
    for name in IN_A_BUCKET {
        let objects = objects(name);
        assert!(!kinds(&objects).iter().any(|kind| kind.starts_with("PersistentVolume")), "{name}");
        for object in objects.iter().filter(|object| object.pod().is_some()) {
            let place = format!("{name}: {}", object.name());
            for volume in object.pod().unwrap()["spec"]["volumes"].as_array().unwrap() {
                let fits = match volume["name"].as_str().unwrap() {
                    "tmp" => volume["emptyDir"]["sizeLimit"].is_string(),
                    "recipients" => volume["configMap"].is_object(),
                    _ => false,
                };
                assert!(fits, "{place}: {volume}");
            }
            let [container] = object.containers()[..] else { panic!("{place}: one container") };
            // Without its Secret the pod does not start: an optional one would leave it to look for others.
            let from = json!([{"secretRef": {"name": "filewallball-backup-s3"}}]);
            assert_eq!(container["envFrom"], from, "{place}");
            let environment = environment(container);
            assert!(!environment.keys().any(|variable| variable.starts_with("AWS_")), "{place}");
            assert_eq!(environment["FWB_CACHE_DIR"], "/tmp/cache", "{place}: the root is read-only");
        }
    }
    // The drill has an account for web identity, and that has no right.
    let objects = objects("overlays/s3");
    let drill = job_template(&one(&objects, "CronJob", "filewallball-drill-cronjob")["spec"]);
    assert_eq!(drill["spec"]["template"]["spec"]["serviceAccountName"], "filewallball-drill-sa");
    assert_eq!(
        one(&objects, "ServiceAccount", "filewallball-drill-sa")["automountServiceAccountToken"],
        false
    );
    for name in OVERLAYS.into_iter().chain(RESTORES).filter(|name| !IN_A_BUCKET.contains(name)) {
        let text = build(name);
        assert!(!text.contains("envFrom") && !text.contains("filewallball-drill-sa"), "{name}");
    }
}

/// What the comment says of web identity is an overlay that works.
#[test]
fn a_bucket_needs_no_secret_where_there_is_web_identity() {
    let own = OwnOverlay::new();
    let comment = fs::read_to_string(file("k8s/overlays/s3/kustomization.yaml")).unwrap();
    let patches = comment.split("#   patches:\n").nth(1).unwrap().split("# and a restore").next().unwrap();
    let patches: Vec<&str> = patches.lines().map(|line| line.strip_prefix("#   ").unwrap()).collect();
    let head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
    // Another bucket, and a Job in the place of a CronJob, are said in the same way.
    for (name, kind) in
        [("overlays/s3", "CronJob"), ("overlays/s3-encrypted", "CronJob"), ("restore/s3", "Job")]
    {
        let bucket = format!(
            "  - target: {{kind: {kind}}}\n    patch: |-\n      - op: replace\n        path: \
             /spec/jobTemplate/spec/template/spec/containers/0/env/1/value\n        value: s3://other/place\n"
        );
        let mut text = format!("{head}resources: [../../{name}]\npatches:\n{}\n{bucket}", patches.join("\n"));
        if kind == "Job" {
            text = text.replace("CronJob", "Job").replace("/jobTemplate/spec", "");
        }
        let objects = read(&own.build(&text));
        for object in objects.iter().filter(|object| object.pod().is_some()) {
            let [container] = object.containers()[..] else { panic!("one container") };
            assert_eq!(container.get("envFrom"), None, "{name}");
            let environment = environment(container);
            assert_eq!(environment["AWS_REGION"], "ap-northeast-2", "{name}");
            assert_eq!(environment["FWB_STORE"], "s3://other/place", "{name}");
        }
        for account in objects.iter().filter(|object| object.kind() == "ServiceAccount") {
            let annotations = &account.0["metadata"]["annotations"];
            assert_eq!(annotations["eks.amazonaws.com/role-arn"], "arn:aws:iam::ACCOUNT:role/ROLE", "{name}");
        }
    }
}

/// A cluster that encrypts has public keys alone, and holds no drill, which would need another one.
#[test]
fn the_encrypted_overlays_have_no_key() {
    for name in ["overlays/encrypted", "overlays/s3-encrypted"] {
        encrypts_and_has_no_key(name);
    }
    // The path on the node is the same, so that what was there stays in one store.
    let path = |name: &str| {
        one(&objects(name), "PersistentVolume", "filewallball-backup-pv")["spec"]["hostPath"].clone()
    };
    assert_eq!(path("overlays/encrypted"), path("overlays/microk8s"));
}

fn encrypts_and_has_no_key(name: &str) {
    let objects = objects(name);
    let backup = job_template(&one(&objects, "CronJob", "filewallball-backup-cronjob")["spec"]);
    let (container, pod) = (worker(backup), &backup["spec"]["template"]["spec"]);
    assert_eq!(environment(container)["FWB_RECIPIENTS_FILE"], "/recipients/recipients");
    let volumes = pod["volumes"].as_array().unwrap();
    let volume = volumes.iter().find(|volume| volume["name"] == "recipients").unwrap();
    assert_eq!(volume["configMap"], json!({"name": "filewallball-backup-recipients"}), "it must be there");
    assert_eq!(one(&objects, "CronJob", "filewallball-drill-cronjob")["spec"]["suspend"], true, "{name}");
    let text = build(name);
    assert!(!text.contains("FWB_IDENTITY") && !text.contains("kind: Secret"), "{text}");
}

/// Whoever makes the Secret is told, and whoever does not has a backup all the same.
#[test]
fn a_secret_that_may_lack_names_who_is_told() {
    let who = json!({"secretKeyRef": {"name": "filewallball-notify", "key": "notify", "optional": true}});
    let container =
        |objects: &[Object], name: &str| worker(job_template(&one(objects, "CronJob", name)["spec"])).clone();
    for name in OVERLAYS {
        let objects = objects(name);
        let backup = container(&objects, "filewallball-backup-cronjob");
        assert_eq!(environment(&backup)["FWB_NOTIFY"], &who, "{name}");
        // Its network policy lets it reach nobody.
        let drill = container(&objects, "filewallball-drill-cronjob");
        assert_eq!(environment(&drill).get("FWB_NOTIFY"), None, "{name}");
    }
    let own = OwnOverlay::new();
    for name in OVERLAYS {
        let built = own.with_component(name, "notices");
        python("validate", &VERSIONS[..1]).stdin(&built).run().ok();
        let objects = read(&built);
        let drill = container(&objects, "filewallball-drill-cronjob");
        assert_eq!(environment(&drill)["FWB_NOTIFY"], &who, "{name}");
        let policy = &one(&objects, "NetworkPolicy", "filewallball-notices")["spec"];
        let apps = policy["podSelector"]["matchExpressions"][0]["values"].as_array().unwrap();
        for job in objects.iter().filter(|object| object.kind() == "CronJob") {
            assert!(apps.contains(&job.pod().unwrap()["metadata"]["labels"]["app"]), "{name}");
        }
    }
}

/// Where the log is followed, it is proved each day, in every overlay that holds drills.
#[test]
fn the_log_is_proved_each_day_where_that_is_wanted() {
    let own = OwnOverlay::new();
    for name in OVERLAYS {
        let built = own.with_component(name, "log-proof");
        python("validate", &VERSIONS[..1]).stdin(&built).run().ok();
        let objects = read(&built);
        let drill = &one(&objects, "CronJob", "filewallball-drill-cronjob")["spec"];
        for variable in ["FWB_PROVE_LOG", "FWB_ANY_MOMENT"] {
            assert_eq!(environment(worker(job_template(drill)))[variable], "1", "{name}: {variable}");
        }
        assert_eq!(drill["schedule"], "0 4 * * *", "{name}");
    }
}

/// The report reads, and Prometheus alone reads the report.
#[test]
fn the_report_writes_nothing_and_reaches_nobody() {
    for name in MONITORING {
        let objects = objects(name);
        assert_eq!(with_token(&objects), <[&str; 0]>::default(), "{name}");
        let report = one(&objects, "Deployment", "filewallball-report");
        let pod = &report["spec"]["template"];
        let container = worker(report);
        assert_eq!(pod["spec"]["securityContext"]["runAsUser"], 10001, "{name}");
        let mounts = container["volumeMounts"].as_array().unwrap().iter();
        let writable: Vec<_> = mounts.filter(|mount| mount["readOnly"] != true).collect();
        assert_eq!(writable, [&json!({"name": "tmp", "mountPath": "/tmp"})], "{name}");
        let policy = &one(&objects, "NetworkPolicy", "filewallball-report")["spec"];
        assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]), "{name}");
        assert_eq!(
            policy["ingress"],
            json!([{
                "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
                "ports": [{"protocol": "TCP", "port": 9394}],
            }]),
            "{name}"
        );
        let in_a_bucket = name == "monitoring/s3";
        assert_eq!(policy.get("egress").is_some(), in_a_bucket, "{name}");
        let environment = environment(container);
        assert_eq!(environment["FWB_STORE"], if in_a_bucket { BUCKET } else { "/backup" }, "{name}");
        // What selects it finds it, by the port that it listens at.
        let service = one(&objects, "Service", "filewallball-report");
        let labels = &pod["metadata"]["labels"];
        for selector in [
            &policy["podSelector"]["matchLabels"],
            &service["spec"]["selector"],
            &report["spec"]["selector"]["matchLabels"],
        ] {
            assert_eq!(selector, &json!({"app": "filewallball-report"}), "{name}");
            assert_eq!(selector["app"], labels["app"], "{name}");
        }
        assert_eq!(
            service["spec"]["ports"],
            json!([{"name": "http", "port": 9394, "targetPort": "http"}]),
            "{name}"
        );
        assert_eq!(container["ports"], json!([{"name": "http", "containerPort": 9394}]), "{name}");
        for probe in ["readinessProbe", "livenessProbe"] {
            assert_eq!(container[probe]["httpGet"], json!({"path": "/healthz", "port": "http"}), "{name}");
        }
        if name != "monitoring/report" {
            let monitor = &one(&objects, "ServiceMonitor", "filewallball-report")["spec"];
            assert_eq!(monitor["endpoints"][0]["port"], "http", "{name}");
            for (label, value) in monitor["selector"]["matchLabels"].as_object().unwrap() {
                assert_eq!(&service["metadata"]["labels"][label], value, "{name}");
            }
            let dashboard = one(&objects, "ConfigMap", "filewallball-dashboard");
            assert_eq!(dashboard["metadata"]["labels"]["grafana_dashboard"], "1", "{name}");
            assert!(dashboard["data"]["fwb.json"].is_string(), "{name}");
        }
    }
    // The claim is the backup's.
    let claim = json!({"claimName": "filewallball-backup-pvc"});
    let report = objects("monitoring");
    let volumes = &one(&report, "Deployment", "filewallball-report")["spec"]["template"]["spec"]["volumes"];
    assert_eq!(volumes[0]["persistentVolumeClaim"], claim);
}

/// One follower, that has the rights of a replica and no others, and that nobody kills while it waits.
#[test]
fn a_follower_does_no_more_than_it_needs() {
    for name in FOLLOW {
        let objects = objects(name);
        let (in_a_pod, in_a_bucket) = (name == "follow/pod", name == "follow/s3");
        let follower = one(&objects, "Deployment", "filewallball-follow");
        assert_eq!(follower["spec"]["replicas"], 1, "{name}");
        assert_eq!(follower["spec"]["strategy"], json!({"type": "Recreate"}), "{name}: two write no chain");
        let (container, pod) = (worker(follower), &follower["spec"]["template"]);
        assert_eq!(container["command"], json!(["fwb-follow", "--every=5s"]), "{name}");
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            assert_eq!(container.get(probe), None, "{name}: what waits is not killed");
        }
        assert_eq!(container["resources"]["limits"]["memory"], "128Mi", "{name}");
        let spec = &pod["spec"];
        assert!(spec["terminationGracePeriodSeconds"].as_u64() >= Some(60), "{name}: what came is published");
        assert_eq!(spec.get("initContainers"), None, "{name}: nothing runs as root");
        assert_eq!(spec["securityContext"]["runAsUser"], 10001, "{name}");
        assert_eq!(spec["serviceAccountName"], "filewallball-follow-sa", "{name}");
        assert_eq!(with_token(&objects).is_empty(), !in_a_pod, "{name}");
        let environment = environment(container);
        assert_eq!(environment["FWB_SERVER_ID"], "filewallball", "{name}: as the backups call it");
        assert_eq!(environment["FWB_STORE"], if in_a_bucket { BUCKET } else { "/backup" }, "{name}");
        let secret = "filewallball-follow-credentials";
        assert_eq!(environment["FWB_USER"]["secretKeyRef"]["name"], secret, "{name}");
        assert_eq!(environment["FWB_PASSWORD_FILE"], "/run/secrets/fwb/password", "{name}");
        assert_eq!(environment.contains_key("FWB_HOST"), !in_a_pod, "{name}");
        assert_eq!(environment.contains_key("FWB_POD_SELECTOR"), in_a_pod, "{name}");
        let mounts = container["volumeMounts"].as_array().unwrap().iter();
        let writable = mounts.filter(|mount| mount["readOnly"] != true);
        let writable: BTreeSet<_> = writable.map(|mount| mount["mountPath"].as_str().unwrap()).collect();
        let expected = if in_a_bucket { vec!["/tmp"] } else { vec!["/backup", "/tmp"] };
        assert_eq!(writable.into_iter().collect::<Vec<_>>(), expected, "{name}");
        let volumes = spec["volumes"].as_array().unwrap();
        let claim = volumes.iter().find_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str());
        assert_eq!(claim, (!in_a_bucket).then_some("filewallball-backup-pvc"), "{name}");
        let from = json!([{"secretRef": {"name": "filewallball-backup-s3"}}]);
        assert_eq!(container.get("envFrom"), in_a_bucket.then_some(&from), "{name}");
        let is_encrypted = environment.contains_key("FWB_RECIPIENTS_FILE");
        assert_eq!(is_encrypted, name == "follow/encrypted", "{name}");
        assert_eq!(kinds(&objects).contains("Role"), in_a_pod, "{name}");
        let policy = &one(&objects, "NetworkPolicy", "filewallball-follow")["spec"];
        assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]), "{name}");
        assert_eq!(policy.get("ingress"), None, "{name}: nobody comes in");
        let rules = policy["egress"].as_array().unwrap().iter();
        let ports = rules.flat_map(|rule| rule["ports"].as_array().unwrap());
        let ports: BTreeSet<u64> = ports.map(|port| port["port"].as_u64().unwrap()).collect();
        let expected: &[u64] = match name {
            "follow/pod" => &[53, 443, 6443, 16443],
            "follow/s3" => &[53, 443, 3306],
            _ => &[53, 3306],
        };
        assert_eq!(ports.into_iter().collect::<Vec<_>>(), expected, "{name}");
        for selector in [&policy["podSelector"], &follower["spec"]["selector"]] {
            assert_eq!(selector["matchLabels"], json!({"app": "filewallball-follow"}), "{name}");
        }
        assert_eq!(pod["metadata"]["labels"]["app"], "filewallball-follow", "{name}");
    }
    let objects = objects("follow/pod");
    let rules = json!([
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get", "create"]},
    ]);
    assert_eq!(one(&objects, "Role", "filewallball-follow-role")["rules"], rules);
    let binding = one(&objects, "RoleBinding", "filewallball-follow-rolebinding");
    assert_eq!(binding["roleRef"]["name"], "filewallball-follow-role");
    assert_eq!(binding["subjects"][0]["name"], "filewallball-follow-sa");
}

/// An encrypted log in a bucket, as the comment there shows it.
#[test]
fn a_log_in_a_bucket_is_encrypted_as_the_comment_says() {
    let own = OwnOverlay::new();
    let comment = fs::read_to_string(file("k8s/follow/s3/kustomization.yaml")).unwrap();
    let shown: Vec<&str> = comment
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .filter(|line| line.contains(": ["))
        .collect();
    assert_eq!(shown.len(), 2, "{shown:?}");
    let built = read(&own.build(&shown.join("\n")));
    let container = worker(one(&built, "Deployment", "filewallball-follow"));
    let environment = environment(container);
    assert_eq!(environment["FWB_STORE"], BUCKET);
    assert_eq!(environment["FWB_RECIPIENTS_FILE"], "/recipients/recipients");
}

/// What the documentation shows of an overlay of one's own for the report is one that works.
#[test]
fn the_report_is_patched_as_the_documentation_says() {
    let own = OwnOverlay::new();
    let built = |text: &str| read(&own.build(text));
    let page = fs::read_to_string(file("docs/KUBERNETES.md")).unwrap();
    let shown = page.split("```yaml\n").find(|part| part.contains("monitoring.coreos.com")).unwrap();
    let released = built(shown.split("```").next().unwrap());
    for kind in ["ServiceMonitor", "PrometheusRule"] {
        let object = released.iter().find(|object| object.kind() == kind).unwrap();
        assert_eq!(object.0["metadata"]["labels"]["release"], "kube-prometheus-stack", "{kind}");
    }
    let comment = fs::read_to_string(file("k8s/monitoring/kustomization.yaml")).unwrap();
    let shown: Vec<&str> = comment.lines().filter_map(|line| line.strip_prefix("#   ")).skip(1).collect();
    assert!(shown[0].starts_with("resources: "), "{shown:?}");
    let undrilled = built(&shown.join("\n"));
    let report = undrilled.iter().find(|object| object.kind() == "Deployment").unwrap();
    assert!(report.containers()[0]["command"].as_array().unwrap().contains(&json!("--drill-age=none")));
    let comment = fs::read_to_string(file("k8s/monitoring/report/report-networkpolicy.yaml")).unwrap();
    let operation = comment.lines().find_map(|line| line.strip_prefix("#   ")).unwrap();
    let moved = built(&format!(
        "resources: [../../monitoring/report]\npatches:\n  - target: {{kind: NetworkPolicy}}\n    patch: |-\n      {operation}\n"
    ));
    let policy = &one(&moved, "NetworkPolicy", "filewallball-report")["spec"]["ingress"][0]["from"][0];
    assert_eq!(policy["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], "observability");
}

/// An Indexed Job that leaves no server of its file out, and whose pods have no right but that to the bucket.
#[test]
fn a_fleet_is_spread_by_the_scheduler_and_leaves_nobody_out() {
    let objects = objects(FLEET);
    let cron = one(&objects, "CronJob", "filewallball-fleet-cronjob");
    let job = &job_template(&cron["spec"])["spec"];
    assert_eq!(
        (&job["completionMode"], &cron["spec"]["concurrencyPolicy"]),
        (&"Indexed".into(), &"Forbid".into())
    );
    let (longest, late) =
        (job["activeDeadlineSeconds"].as_u64(), cron["spec"]["startingDeadlineSeconds"].as_u64());
    assert!(longest.unwrap() + late.unwrap() < 24 * 3600, "a night that hangs must not stop the next one");
    assert!(job["parallelism"].as_u64() <= job["completions"].as_u64());
    let container = worker(job_template(&cron["spec"]));
    assert_eq!(container["command"], json!(["fwb-run", "backup"]));
    let environment = environment(container);
    assert_eq!(environment["FWB_FLEET_PARTS"], &job["completions"].to_string(), "one number in two places");
    // One that fails is no reason for another not to run; it has tried for itself what passes.
    assert_eq!((job.get("backoffLimit"), job.get("maxFailedIndexes")), (None, None));
    assert_eq!(job["backoffLimitPerIndex"], 1);
    let [disruption, failed] = &job["podFailurePolicy"]["rules"].as_array().unwrap()[..] else {
        panic!("two rules")
    };
    assert_eq!((&disruption["action"], &failed["action"]), (&"Ignore".into(), &"FailIndex".into()));
    assert_eq!(failed["onExitCodes"], json!({"operator": "In", "values": [1, 2, 3, 4]}));
    let pod = &job["template"];
    let [spread] = &pod["spec"]["topologySpreadConstraints"].as_array().unwrap()[..] else {
        panic!("one constraint")
    };
    assert_eq!(spread["topologyKey"], "kubernetes.io/hostname");
    assert_eq!(spread["labelSelector"]["matchLabels"]["app"], pod["metadata"]["labels"]["app"]);
    assert!(
        pod["spec"]["terminationGracePeriodSeconds"].as_u64() >= Some(60),
        "time for the run of a server to end"
    );
    // Where the file looks for passwords, they are; and the report reads the same file.
    let map = objects.iter().find(|object| object.kind() == "ConfigMap").unwrap();
    let fleet = fwb::Fleet::parse(map.0["data"]["fleet"].as_str().unwrap(), Path::new("fleet")).unwrap();
    let mounts = &container["volumeMounts"];
    assert_eq!(mounts[1], json!({"name": "credentials", "mountPath": "/run/secrets/fwb", "readOnly": true}));
    for server in fleet.servers() {
        let file = server.get("FWB_PASSWORD_FILE").unwrap();
        assert_eq!(file, format!("/run/secrets/fwb/{}", server.name));
        assert_eq!(
            server.store().unwrap().to_string(),
            format!("s3://filewallball-backups/fleet/{}", server.name)
        );
    }
    assert_eq!(pod["spec"]["volumes"][0]["configMap"]["name"], map.name());
    assert_eq!(pod["spec"]["volumes"][1]["secret"]["secretName"], "filewallball-fleet-credentials");
    let report = one(&objects, "Deployment", "filewallball-report");
    let of_report = worker(report);
    assert_eq!(self::environment(of_report)["FWB_FLEET"], environment["FWB_FLEET"]);
    assert_eq!(report["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"], map.name());
    for container in [container, of_report] {
        assert_eq!(container["envFrom"], json!([{"secretRef": {"name": "filewallball-backup-s3"}}]));
        assert_eq!(self::environment(container)["FWB_CACHE_DIR"], "/tmp/cache");
        let mounts = container["volumeMounts"].as_array().unwrap().iter();
        let writable: Vec<_> = mounts.filter(|mount| mount["readOnly"] != true).collect();
        assert_eq!(writable, [&json!({"name": "tmp", "mountPath": "/tmp"})]);
    }
    assert_eq!(with_token(&objects), <[&str; 0]>::default());
    assert!(!kinds(&objects).iter().any(|kind| kind.contains("Role")), "no right at the API");
    let policy = &one(&objects, "NetworkPolicy", "filewallball-fleet")["spec"];
    assert_eq!((policy.get("ingress"), &policy["policyTypes"]), (None, &json!(["Ingress", "Egress"])));
    assert_eq!(policy["podSelector"]["matchLabels"]["app"], pod["metadata"]["labels"]["app"]);
}

/// What the comment shows of a fleet of one's own is an overlay that works: one's own file, and as many pods as one wants.
#[test]
fn a_fleet_of_ones_own_is_what_the_comment_says() {
    let own = OwnOverlay::new();
    fs::write(own.dir.join("fleet"), "mine host=db.example databases=shop store=s3://own/{name}\n").unwrap();
    let comment = fs::read_to_string(file("k8s/fleet/kustomization.yaml")).unwrap();
    let shown: Vec<&str> = comment.lines().filter_map(|line| line.strip_prefix("#   ")).skip(1).collect();
    assert!(shown[0].starts_with("resources: "), "{shown:?}");
    let built = own.build(&shown.join("\n"));
    python("validate", &VERSIONS[..1]).stdin(&built).run().ok();
    let objects = read(&built);
    let job = &job_template(&one(&objects, "CronJob", "filewallball-fleet-cronjob")["spec"])["spec"];
    assert_eq!((&job["completions"], &job["parallelism"]), (&100.into(), &20.into()));
    let container = &job["template"]["spec"]["containers"][0];
    assert_eq!(environment(container)["FWB_FLEET_PARTS"], "100");
    let map = objects.iter().find(|object| object.kind() == "ConfigMap").unwrap();
    assert!(map.0["data"]["fleet"].as_str().unwrap().starts_with("mine "));
    assert_eq!(job["template"]["spec"]["volumes"][0]["configMap"]["name"], map.name());
}

#[test]
fn apply_neither_starts_a_restore_nor_touches_the_application() {
    for name in OVERLAYS {
        let objects = objects(name);
        assert!(!kinds(&objects).contains("Job"), "{name}");
        // kubectl delete -k would take everything in it along.
        assert!(!kinds(&objects).contains("Namespace"), "{name}");
        assert!(!build(name).contains("fwb-restore"), "{name}");
        let touches = objects
            .iter()
            .any(|object| object.kind() == "Deployment" || object.name().starts_with("mariadb"));
        assert_eq!(touches, name == "overlays/rebuild", "{name}");
        for object in &objects {
            let global = object.kind() == "PersistentVolume";
            let namespace = object.0["metadata"].get("namespace");
            assert_eq!(namespace, (!global).then_some(&json!("filewallball")), "{name}: {}", object.name());
        }
    }
}

#[test]
fn a_restore_is_told_which_backup() {
    for name in RESTORES {
        let yaml = build(name);
        // One place to fill in, in the command alone; as it is, there is no such backup.
        assert_eq!(yaml.matches("BACKUP_NAME").count(), 1, "{name}");
        let objects = read(&yaml.replace("BACKUP_NAME", "x.sql.gz"));
        let job = one(&objects, "Job", "filewallball-restore");
        assert_eq!(worker(job)["command"], json!(["fwb-restore", "--file=x.sql.gz", "--yes"]), "{name}");
        assert_eq!(job["spec"]["backoffLimit"], 0, "{name}: never twice by itself");
        assert_eq!(environment(worker(job)).get("FWB_DATABASE"), None, "{name}: the manifest says it");
    }
    let store = tempfile::tempdir().unwrap();
    let restore =
        Tool::alone("fwb-restore").args(["--file=BACKUP_NAME", "--yes"]).env("FWB_STORE", store.path());
    assert_ne!(restore.run().code, Some(0), "a template that nobody has filled in");
}

#[test]
fn the_network_lets_through_what_is_needed() {
    let ports = |rules: &Value| -> BTreeSet<u64> {
        let ports = rules.as_array().into_iter().flatten().flat_map(|rule| rule["ports"].as_array().unwrap());
        ports.map(|port| port["port"].as_u64().unwrap()).collect()
    };
    for (name, reached, by_the_drill) in [
        ("overlays/microk8s", BTreeSet::from([53, 443, 6443, 16443]), None),
        ("overlays/generic", BTreeSet::from([53, 443, 6443, 16443]), None),
        ("overlays/s3", BTreeSet::from([53, 443, 6443, 16443]), Some(BTreeSet::from([53, 443]))),
        ("overlays/tcp", BTreeSet::from([53, 3306]), None),
    ] {
        let objects = objects(name);
        let backup = &one(&objects, "NetworkPolicy", "filewallball-backup")["spec"];
        let drill = &one(&objects, "NetworkPolicy", "filewallball-drill")["spec"];
        for policy in [backup, drill] {
            assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]), "{name}");
            assert_eq!(policy.get("ingress"), None, "{name}: nobody comes in");
        }
        assert_eq!(ports(&backup["egress"]), reached, "{name}");
        assert_eq!(drill.get("egress").map(ports), by_the_drill, "{name}");
        // A policy that selects nothing protects nothing; and a backup that looks like the database is one too many.
        let restore = self::objects(&name.replace("overlays", "restore"));
        for (owner, policy) in [
            ("filewallball-backup-cronjob", backup),
            ("filewallball-drill-cronjob", drill),
            ("filewallball-restore", backup),
        ] {
            let owner = objects.iter().chain(&restore).find(|object| object.name() == owner).unwrap();
            let labels = &owner.pod().unwrap()["metadata"]["labels"];
            for (label, value) in policy["podSelector"]["matchLabels"].as_object().unwrap() {
                assert_eq!(&labels[label], value, "{name}");
            }
            assert_ne!(labels["app"], "mariadb", "{name}");
        }
    }
    let objects = objects(MARIADB);
    let server = &one(&objects, "NetworkPolicy", "mariadb")["spec"];
    assert_eq!(server["policyTypes"], json!(["Ingress"]));
    // Whatever the application's pods are labelled.
    assert_eq!(
        server["ingress"],
        json!([{"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 3306}]}])
    );
}

#[test]
fn a_rebuilt_server_is_found_by_backup_and_application() {
    let objects = objects(MARIADB);
    let server = &one(&objects, "Deployment", "mariadb")["spec"];
    assert_eq!(server["strategy"]["type"], "Recreate", "two servers on one data directory");
    assert_eq!(server["template"]["metadata"]["labels"]["app"], "mariadb");
    assert_eq!(one(&objects, "Service", "mariadb-service")["spec"]["selector"], json!({"app": "mariadb"}));
    let container = worker(&json!({ "spec": server })).clone();
    assert_eq!(container["image"], "mariadb:10.11");
    let password = &environment(&container)["MARIADB_ROOT_PASSWORD"]["secretKeyRef"];
    assert_eq!(*password, json!({"name": "mariadb-secret", "key": "root-password"}));
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert_eq!(container[probe]["exec"]["command"][0], "healthcheck.sh", "{probe}: needs no password");
        assert!(container[probe]["timeoutSeconds"].as_u64() > Some(1), "{probe}: a busy server is not dead");
    }
}

#[test]
fn the_image_is_the_one_that_make_image_builds() {
    let ours = format!("filewallball/fwb-tools:{}", env!("CARGO_PKG_VERSION"));
    for name in all() {
        for object in objects(name) {
            for container in object.containers() {
                let image = container["image"].as_str().unwrap();
                assert!(image == ours || image == "mariadb:10.11", "{name}: {image}");
                if image == ours {
                    // Never looked for in a registry when the node has it.
                    assert_eq!(container["imagePullPolicy"], "IfNotPresent", "{name}");
                }
            }
        }
    }
}

#[test]
fn what_the_comments_name_is_there() {
    let texts = Tool::program("grep")
        .args(["-rhoE", "k8s/[a-z0-9/.-]*[a-z0-9]"])
        .arg(file("k8s"))
        .run()
        .ok()
        .stdout_text();
    let paths: BTreeSet<&str> = texts.lines().collect();
    assert!(paths.contains("k8s/overlays/microk8s") && paths.contains("k8s/restore/microk8s"), "{paths:?}");
    for path in paths {
        assert!(file(path).exists(), "{path}");
    }
}

/// The scripts inside an object, and the dialect of each.
fn scripts(object: &Object) -> Vec<(String, String)> {
    let words = |container: &Value| -> Vec<String> {
        let lists =
            [&container["command"], &container["args"]].into_iter().filter_map(Value::as_array).flatten();
        lists.map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let commands = |container: &Value| {
        let probes =
            ["startupProbe", "readinessProbe", "livenessProbe"].map(|probe| &container[probe]["exec"]);
        let hooks = ["postStart", "preStop"].map(|hook| &container["lifecycle"][hook]["exec"]);
        let all = [container].into_iter().chain(probes).chain(hooks);
        all.map(words).collect::<Vec<_>>()
    };
    let script = |words: Vec<String>| {
        let shell = Path::new(words.first()?).file_name()?.to_str()?.to_owned();
        if !matches!(&*shell, "sh" | "bash" | "dash") {
            return None;
        }
        let at = words.iter().position(|word| word.starts_with('-') && word.ends_with('c'))?;
        Some((shell, words.get(at + 1)?.clone()))
    };
    object.containers().into_iter().flat_map(commands).filter_map(script).collect()
}

fn shellcheck(shell: &str, script: &str) -> Output {
    Tool::program("shellcheck").args(["--shell", shell, "-"]).stdin(script).run()
}

#[test]
fn shellcheck_passes_on_the_scripts_inside_the_manifests() {
    let found: BTreeSet<_> = all().flat_map(objects).flat_map(|object| scripts(&object)).collect();
    for (shell, script) in found {
        shellcheck(&shell, &script).ok();
    }
    let bad = Object(json!({"kind": "Job", "spec": {"template": {"spec": {
        "initContainers": [{"command": ["/bin/sh", "-ec"], "args": ["rm -r $DIR/"]}],
        "containers": [{"command": ["fwb-ls"], "livenessProbe": {"exec": {"command": ["bash", "-c", "cd $X"]}}}],
    }}}}));
    let found = scripts(&bad);
    assert_eq!(found, [("sh".into(), "rm -r $DIR/".into()), ("bash".into(), "cd $X".into())]);
    for (shell, script) in found {
        shellcheck(&shell, &script).exits(1);
    }
}

#[test]
fn what_a_container_runs_is_in_the_image() {
    let kept_out = fs::read_to_string(file(".dockerignore")).unwrap();
    let containerfile = fs::read_to_string(file("Containerfile")).unwrap();
    assert!(containerfile.contains("COPY scripts/ /opt/fwb/scripts/"));
    let mut run = BTreeSet::new();
    for name in all() {
        for object in objects(name) {
            for container in object.containers() {
                if container["image"].as_str().unwrap().starts_with("filewallball/") {
                    run.insert(container["command"][0].as_str().unwrap().to_owned());
                }
            }
        }
    }
    assert_eq!(run.len(), 5, "{run:?}");
    for command in run {
        let Some(script) = command.strip_prefix("/opt/fwb/") else {
            assert!(containerfile.contains(&format!("target/release/{command}")), "{command}");
            continue;
        };
        let mode =
            fs::metadata(file(script)).unwrap_or_else(|error| panic!("{script}: {error}")).permissions();
        assert_eq!(mode.mode() & 0o111, 0o111, "{script}");
        assert!(!kept_out.lines().any(|line| line == script), "{script}");
    }
}

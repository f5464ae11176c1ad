//! `chapbook kit`: what is written, and whether those that it is for would take it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::server::{Running, executable};
use crate::site::skipped_for_want_of;
use crate::workshop::{Workshop, get, said};

const IMAGE: &str =
    "ghcr.io/a/poems@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A workshop with a kit in it.
fn kit() -> Workshop {
    let workshop = Workshop::with(&[]);
    let done = workshop
        .chapbook(&["kit", "kit", "--image", IMAGE])
        .output();
    let done = done.unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert!(done.stdout.is_empty());
    assert!(said(&done).contains(IMAGE), "{}", said(&done));
    workshop
}

/// What a tool says of something, unless it is not installed.
fn told(mut command: Command, input: &[u8]) -> Option<(bool, String)> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.stderr(Stdio::piped()).spawn() else {
        skipped_for_want_of(&program);
        return None;
    };
    // A tool that does not read is one that answers at once.
    let _ = child.stdin.take().unwrap().write_all(input);
    let done = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned() + &said(&done);
    Some((done.status.success(), text))
}

fn tool(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// YAML as JSON: a list of its documents.
fn documents(yaml: &str) -> Option<Value> {
    let script = "import sys, json, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))";
    let (is_yaml, text) = told(tool("python3", &["-c", script]), yaml.as_bytes())?;
    if text.contains("No module named 'yaml'") {
        skipped_for_want_of("python3's yaml");
        return None;
    }
    assert!(is_yaml, "{text}");
    Some(serde_json::from_str(&text).unwrap())
}

/// What is applied of an overlay, as YAML.
fn rendered(workshop: &Workshop, overlay: &str) -> Option<String> {
    let path = workshop.path(&format!("kit/kubernetes/overlays/{overlay}"));
    let (done, text) = told(tool("kubectl", &["kustomize", path.to_str().unwrap()]), b"")?;
    assert!(done, "{text}");
    Some(text)
}

/// The documents of a kind.
fn of_kind<'a>(all: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = all.as_array().unwrap().iter();
    all.filter(|one| one["kind"] == kind).collect()
}

fn one<'a>(all: &'a Value, kind: &str) -> &'a Value {
    let found = of_kind(all, kind);
    assert_eq!(found.len(), 1, "{kind}");
    found[0]
}

#[test]
fn a_kit_is_whole_or_not_there() {
    let workshop = kit();
    assert_eq!(workshop.names(), ["kit"]);
    let read = |name: &str| String::from_utf8(workshop.read(&format!("kit/{name}"))).unwrap();
    for name in [
        "README.md",
        "cloud-run/service.yaml",
        "compose/compose.yaml",
        "kubernetes/base/deployment.yaml",
    ] {
        assert_eq!(read(name).matches(IMAGE).count(), 1, "{name}");
        assert!(!read(name).contains("registry.invalid"), "{name}");
    }
    assert!(read("env.sample").contains("#CHAPBOOK_SANDBOX=best-effort\n"));
    // An empty directory gives way; another stays.
    std::fs::create_dir(workshop.path("empty")).unwrap();
    let named = ["kit", "empty", "--image", "a/b:v1"];
    assert!(workshop.chapbook(&named).status().unwrap().success());
    let compose = String::from_utf8(workshop.read("empty/compose/compose.yaml")).unwrap();
    assert!(
        compose.contains("image: \"docker.io/a/b:v1\"\n"),
        "{compose}"
    );
    workshop.write("full/a", b"a");
    for (directory, image, message) in [
        ("full", IMAGE, "`full`: directory not empty"),
        ("full/a", IMAGE, "`full/a`: Not a directory"),
        ("no/such", IMAGE, "`no/such`: No such file"),
        ("..", IMAGE, "`..`: it is not the name of a new directory"),
        ("new", "a\"\nb: c", "--image `a\" b: c`: a tag is 1 to 128"),
        (
            "new",
            "a@sha256:0",
            "--image `a@sha256:0`: a digest is sha256: and 64",
        ),
    ] {
        let mut command = workshop.chapbook(&["kit", directory, "--image", image]);
        let done = command.output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{directory} {image}");
        assert!(said(&done).contains(message), "{}", said(&done));
        assert_eq!(said(&done).lines().count(), 1, "{}", said(&done));
    }
    assert_eq!(workshop.names(), ["empty", "full", "kit"]);
    assert_eq!(workshop.read("full/a"), b"a");
}

/// Without a name, what is deployed is what `image` would make.
#[test]
fn an_executable_knows_the_digest_of_its_own_image() {
    let workshop = Workshop::with(&[]);
    let (mut make, mut deploy) = match std::env::var_os("CHAPBOOK_STATIC_EXECUTABLE") {
        Some(file) => {
            let file = std::path::absolute(crate::tidy::root().join(file)).unwrap();
            (executable(&file), executable(&file))
        }
        None => (workshop.chapbook(&[]), workshop.chapbook(&[])),
    };
    let (tar, kit) = (workshop.path("a.tar"), workshop.path("kit"));
    let made = make.arg("image").arg("-o").arg(tar).output().unwrap();
    let done = deploy.arg("kit").arg(kit).output().unwrap();
    if !made.status.success() {
        // Linked dynamically: it makes no image, and says what to do.
        assert_eq!(done.status.code(), Some(2));
        assert!(
            said(&done).contains("--image NAME@sha256:"),
            "{}",
            said(&done)
        );
        assert!(!said(&done).contains("--allow-dynamic"), "{}", said(&done));
        assert!(workshop.names().is_empty());
        return;
    }
    let made = said(&made);
    let digest = made.rsplit("manifest ").next().unwrap().trim();
    assert!(digest.starts_with("sha256:"), "{made}");
    let compose = String::from_utf8(workshop.read("kit/compose/compose.yaml")).unwrap();
    let image = format!("image: \"localhost/chapbook@{digest}\"");
    assert!(compose.contains(&image), "{image} in {compose}");
}

#[test]
fn kubernetes_knows_every_field() {
    let workshop = kit();
    for overlay in ["small", "production"] {
        let Some(yaml) = rendered(&workshop, overlay) else {
            return;
        };
        workshop.write("all.yaml", yaml.as_bytes());
        let path = workshop.path("all.yaml");
        let strict = ["--strict", path.to_str().unwrap()];
        let Some((valid, text)) = told(tool("kubernetes-validate", &strict), b"") else {
            return;
        };
        assert!(valid, "{overlay}: {text}");
        // It can say no.
        let wrong = yaml.replace("readOnlyRootFilesystem", "readOnlyRootFileSystem");
        assert_ne!(wrong, yaml);
        workshop.write("all.yaml", wrong.as_bytes());
        let (valid, _) = told(tool("kubernetes-validate", &strict), b"").unwrap();
        assert!(!valid, "{overlay}");
    }
}

/// What of a pod breaks the profile `restricted` of Kubernetes' Pod Security Standards.
fn breaches(pod: &Value) -> Vec<&'static str> {
    let mut breaches = Vec::new();
    let mut wants = |holds: bool, what| {
        if !holds {
            breaches.push(what);
        }
    };
    for shared in ["hostNetwork", "hostPID", "hostIPC"] {
        wants(pod[shared].is_null(), "a namespace of the host");
    }
    let own = &pod["securityContext"];
    let seccomp = own["seccompProfile"]["type"].as_str();
    wants(seccomp == Some("RuntimeDefault"), "seccompProfile");
    wants(own["runAsNonRoot"] == true, "runAsNonRoot");
    wants(
        own["runAsUser"].as_u64().is_some_and(|user| user > 0),
        "runAsUser",
    );
    let volumes = pod["volumes"].as_array();
    wants(volumes.is_none_or(Vec::is_empty), "a volume");
    let mut containers = Vec::new();
    for kind in ["containers", "initContainers", "ephemeralContainers"] {
        containers.extend(pod[kind].as_array().into_iter().flatten());
    }
    wants(!containers.is_empty(), "no container");
    for container in containers {
        let own = &container["securityContext"];
        // What it says itself stands above its pod.
        let user = own["runAsUser"].as_u64();
        wants(
            own["runAsUser"].is_null() || user > Some(0),
            "its runAsUser",
        );
        wants(own["runAsNonRoot"] != false, "its runAsNonRoot");
        let seccomp = own["seccompProfile"]["type"].as_str();
        wants(
            own["seccompProfile"].is_null() || seccomp == Some("RuntimeDefault"),
            "its seccompProfile",
        );
        wants(!names_a_host(container), "a host to ask");
        wants(
            own["allowPrivilegeEscalation"] == false,
            "allowPrivilegeEscalation",
        );
        wants(own["privileged"].is_null(), "privileged");
        wants(own["procMount"].is_null(), "procMount");
        wants(own["capabilities"]["drop"] == json!(["ALL"]), "drop");
        wants(own["capabilities"]["add"].is_null(), "add");
        for port in container["ports"].as_array().into_iter().flatten() {
            wants(port["hostPort"].is_null(), "hostPort");
        }
        // Not of the profile, and ours all the same.
        wants(
            own["readOnlyRootFilesystem"] == true,
            "readOnlyRootFilesystem",
        );
        wants(
            !container["resources"]["limits"]["memory"].is_null(),
            "memory",
        );
    }
    wants(pod["automountServiceAccountToken"] == false, "a token");
    wants(pod["enableServiceLinks"] == false, "enableServiceLinks");
    breaches
}

/// § Since Kubernetes 1.34 the profile refuses probes and hooks that may be sent elsewhere.
fn names_a_host(container: &Value) -> bool {
    let probes = ["livenessProbe", "readinessProbe", "startupProbe"];
    let hooks = ["postStart", "preStop"];
    let probes = probes.iter().map(|probe| &container[*probe]);
    let hooks = hooks.iter().map(|hook| &container["lifecycle"][*hook]);
    probes.chain(hooks).any(|asked| {
        let mut ways = ["httpGet", "tcpSocket"].iter();
        ways.any(|way| !asked[*way]["host"].is_null())
    })
}

#[test]
fn pods_keep_to_the_restricted_profile() {
    let workshop = kit();
    for overlay in ["small", "production"] {
        let Some(all) = rendered(&workshop, overlay).and_then(|yaml| documents(&yaml)) else {
            return;
        };
        let mut pod = one(&all, "Deployment")["spec"]["template"]["spec"].clone();
        assert_eq!(breaches(&pod), [""; 0], "{overlay}");
        let enforced = "pod-security.kubernetes.io/enforce";
        assert_eq!(
            one(&all, "Namespace")["metadata"]["labels"][enforced],
            "restricted"
        );
        // Each of them is seen.
        pod["containers"][0]["securityContext"]["capabilities"]["drop"] = Value::Null;
        pod["securityContext"]["runAsUser"] = 0.into();
        pod["hostNetwork"] = true.into();
        let container = &mut pod["containers"][0];
        container["securityContext"]["runAsUser"] = 0.into();
        container["securityContext"]["runAsNonRoot"] = false.into();
        container["securityContext"]["seccompProfile"] = json!({"type": "Unconfined"});
        container["readinessProbe"]["httpGet"]["host"] = "example.com".into();
        assert_eq!(
            breaches(&pod),
            [
                "a namespace of the host",
                "runAsUser",
                "its runAsUser",
                "its runAsNonRoot",
                "its seccompProfile",
                "a host to ask",
                "drop"
            ]
        );
    }
}

/// Whether a selector finds what has these labels. An empty one would find everything.
fn selects(labels: &Value, selector: &Value) -> bool {
    let mut pairs = selector.as_object().unwrap().iter();
    pairs.len() > 0 && pairs.all(|(key, value)| labels[key] == *value)
}

fn has_port(container: &Value, name: &Value) -> bool {
    let mut ports = container["ports"].as_array().unwrap().iter();
    ports.any(|port| port["name"] == *name)
}

/// Names, labels and ports that files of Kubernetes say more than once say the same.
#[test]
fn the_parts_for_kubernetes_find_each_other() {
    let workshop = kit();
    for overlay in ["small", "production"] {
        let Some(all) = rendered(&workshop, overlay).and_then(|yaml| documents(&yaml)) else {
            return;
        };
        let deployment = one(&all, "Deployment");
        let template = &deployment["spec"]["template"];
        let labels = &template["metadata"]["labels"];
        let container = &template["spec"]["containers"][0];
        assert_eq!(container["image"], IMAGE);
        assert!(selects(
            labels,
            &deployment["spec"]["selector"]["matchLabels"]
        ));
        let service = &one(&all, "Service")["spec"];
        assert!(selects(labels, &service["selector"]));
        assert!(has_port(container, &service["ports"][0]["targetPort"]));
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            assert!(
                has_port(container, &container[probe]["httpGet"]["port"]),
                "{probe}"
            );
        }
        let account = &one(&all, "ServiceAccount")["metadata"]["name"];
        assert_eq!(template["spec"]["serviceAccountName"], *account);
        let namespace = &one(&all, "Namespace")["metadata"]["name"];
        for one in all.as_array().unwrap() {
            let own = &one["metadata"]["namespace"];
            assert!(one["kind"] == "Namespace" || own == namespace, "{one}");
        }
        policies_fit(&all, labels, container);
    }
}

/// Nothing passes but HTTP, and what scrapes.
fn policies_fit(all: &Value, labels: &Value, container: &Value) {
    let policies = of_kind(all, "NetworkPolicy").into_iter();
    let (denies, permits): (Vec<_>, Vec<_>) = policies
        .map(|policy| &policy["spec"])
        .partition(|policy| policy["podSelector"] == json!({}));
    assert_eq!((denies.len(), permits.len()), (1, 1));
    assert_eq!(denies[0]["policyTypes"], json!(["Ingress", "Egress"]));
    assert!(denies[0]["ingress"].is_null() && denies[0]["egress"].is_null());
    assert_eq!(permits[0]["policyTypes"], json!(["Ingress", "Egress"]));
    assert!(permits[0]["egress"].as_array().is_none_or(Vec::is_empty));
    assert!(selects(labels, &permits[0]["podSelector"]["matchLabels"]));
    for rule in permits[0]["ingress"].as_array().unwrap() {
        assert!(has_port(container, &rule["ports"][0]["port"]), "{rule}");
    }
}

#[test]
fn in_production_the_autoscaler_and_the_budget_mean_the_pods() {
    let workshop = kit();
    let Some(all) = rendered(&workshop, "production").and_then(|yaml| documents(&yaml)) else {
        return;
    };
    let deployment = one(&all, "Deployment");
    let template = &deployment["spec"]["template"];
    let labels = &template["metadata"]["labels"];
    let scaled = &one(&all, "HorizontalPodAutoscaler")["spec"];
    assert_eq!(
        scaled["scaleTargetRef"]["name"],
        deployment["metadata"]["name"]
    );
    assert!(scaled["minReplicas"].as_u64() >= Some(2));
    assert!(deployment["spec"]["replicas"].is_null(), "the autoscaler's");
    let asked = &template["spec"]["containers"][0]["resources"]["requests"]["cpu"];
    assert!(!asked.is_null(), "what it scales by");
    let budget = &one(&all, "PodDisruptionBudget")["spec"];
    assert!(selects(labels, &budget["selector"]["matchLabels"]));
    let spread = template["spec"]["topologySpreadConstraints"]
        .as_array()
        .unwrap();
    assert_eq!(spread.len(), 2);
    for one in spread {
        assert!(
            selects(labels, &one["labelSelector"]["matchLabels"]),
            "{one}"
        );
    }
}

/// The server starts with the variables of each file, and answers its probes.
#[test]
fn the_server_takes_what_the_files_say() {
    let workshop = kit();
    let Some(all) = rendered(&workshop, "small").and_then(|yaml| documents(&yaml)) else {
        return;
    };
    let read = |name: &str| String::from_utf8(workshop.read(name)).unwrap();
    let cloud_run = documents(&read("kit/cloud-run/service.yaml")).unwrap();
    for container in [
        &one(&all, "Deployment")["spec"]["template"]["spec"]["containers"][0],
        &cloud_run[0]["spec"]["template"]["spec"]["containers"][0],
    ] {
        assert_eq!(container["args"], json!(["serve"]));
        let mut command = workshop.chapbook(&["serve"]);
        let mut has_admin = false;
        for variable in container["env"].as_array().unwrap() {
            let name = variable["name"].as_str().unwrap();
            let value = variable["value"].as_str().unwrap_or("a node");
            let value = match name {
                "CHAPBOOK_LISTEN" => continue,
                "CHAPBOOK_ADMIN_LISTEN" => "127.0.0.1:0",
                _ => value,
            };
            has_admin |= name == "CHAPBOOK_ADMIN_LISTEN";
            command.env(name, value);
        }
        command
            .env("CHAPBOOK_LISTEN", "127.0.0.1:0")
            .env("CHAPBOOK_DRAIN_DELAY", "0");
        let server = Running::spawn(command);
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            if let Some(path) = container[probe]["httpGet"]["path"].as_str() {
                assert_eq!(get(server.address, path).status, 200, "{path}");
            }
        }
        let metrics = get(server.address, "/-/metrics").status;
        assert_eq!(metrics, if has_admin { 404 } else { 200 });
    }
}

/// A bound of memory with a unit, in bytes.
fn bytes(size: &str) -> u64 {
    let digits = size.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let mebibytes: u64 = digits.parse().unwrap();
    assert!(["Mi", "m", "M"].contains(&&size[digits.len()..]), "{size}");
    mebibytes << 20
}

/// Half-sent requests on every connection are no more than half of the memory: a bound that kills
/// the server before its own bounds hold would let any client end it.
#[test]
fn what_clients_can_have_it_hold_fits_its_memory() {
    let workshop = kit();
    let read = |name: &str| String::from_utf8(workshop.read(name)).unwrap();
    let fits = |of: &str, memory: &str, value: &dyn Fn(&str) -> String| {
        let [connections, each] = ["MAX_CONNECTIONS", "MAX_FIELD_BYTES"]
            .map(|name| value(&format!("CHAPBOOK_{name}")).parse::<u64>().unwrap());
        assert!(connections * each <= bytes(memory) / 2, "{of}: {memory}");
    };
    let unit = read("kit/systemd/chapbook.service");
    let after = |key: &str| {
        let (_, rest) = unit.split_once(&format!("{key}=")).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    };
    fits("systemd", &after("MemoryMax"), &after);
    for overlay in ["small", "production"] {
        let Some(all) = rendered(&workshop, overlay).and_then(|yaml| documents(&yaml)) else {
            return;
        };
        let pod = &one(&all, "Deployment")["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let memory = container["resources"]["limits"]["memory"].as_str().unwrap();
        let variables = container["env"].as_array().unwrap();
        fits(overlay, memory, &|name| {
            let found = variables.iter().find(|one| one["name"] == name).unwrap();
            found["value"].as_str().unwrap().to_owned()
        });
    }
    let Some(all) = documents(&read("kit/compose/compose.yaml")) else {
        return;
    };
    let service = &all[0]["services"]["chapbook"];
    fits("compose", service["mem_limit"].as_str().unwrap(), &|name| {
        service["environment"][name].as_str().unwrap().to_owned()
    });
}

#[test]
fn compose_knows_every_field() {
    let workshop = kit();
    let path = workshop.path("kit/compose/compose.yaml");
    let check = [
        "--builtin-schema",
        "vendor.compose-spec",
        path.to_str().unwrap(),
    ];
    let Some((valid, text)) = told(tool("check-jsonschema", &check), b"") else {
        return;
    };
    assert!(valid, "{text}");
    let yaml = String::from_utf8(workshop.read("kit/compose/compose.yaml")).unwrap();
    let Some(all) = documents(&yaml) else { return };
    let service = &all[0]["services"]["chapbook"];
    assert_eq!(service["image"], IMAGE);
    assert_eq!(service["read_only"], true);
    assert_eq!(service["cap_drop"], json!(["ALL"]));
    let probe = json!(["CMD", "/chapbook", "healthcheck"]);
    assert_eq!(service["healthcheck"]["test"], probe);
    workshop.write(
        "kit/compose/compose.yaml",
        yaml.replace("cap_drop", "cap_drops").as_bytes(),
    );
    let (valid, _) = told(tool("check-jsonschema", &check), b"").unwrap();
    assert!(!valid);
}

/// systemd takes the units, and finds little that the service could do.
#[test]
fn systemd_is_content_with_the_units() {
    let workshop = kit();
    for name in ["chapbook.service", "chapbook.socket"] {
        let unit = String::from_utf8(workshop.read(&format!("kit/systemd/{name}"))).unwrap();
        let here = unit.replace("/usr/local/bin/chapbook", env!("CARGO_BIN_EXE_chapbook"));
        workshop.write(name, here.as_bytes());
    }
    let [service, socket] = ["chapbook.service", "chapbook.socket"].map(|name| workshop.path(name));
    let [service, socket] = [&service, &socket].map(|path| path.to_str().unwrap());
    let verify = tool("systemd-analyze", &["verify", service, socket]);
    let Some((valid, text)) = told(verify, b"") else {
        return;
    };
    assert!(valid && text.is_empty(), "{text}");
    let security = || tool("systemd-analyze", &["security", "--offline=true", service]);
    let exposure = |text: &str| -> f64 {
        let (_, told) = text
            .split_once("exposure level for chapbook.service: ")
            .unwrap();
        told.split(' ').next().unwrap().parse().unwrap()
    };
    let (_, text) = told(security(), b"").unwrap();
    assert!(exposure(&text) <= 1.5, "{text}");
    // A service that gives nothing up is another matter.
    workshop.write("chapbook.service", b"[Service]\nExecStart=/bin/true\n");
    let (_, text) = told(security(), b"").unwrap();
    assert!(exposure(&text) > 9.0, "{text}");
}

/// Each option of the service has its reason beside it.
#[test]
fn every_hardening_flag_has_its_reason() {
    let workshop = kit();
    let unit = String::from_utf8(workshop.read("kit/systemd/chapbook.service")).unwrap();
    let (_, service) = unit.split_once("\n\n# Who: ").unwrap();
    let (mut is_told, mut options) = (true, 0);
    // The first line is what is left of a reason.
    for line in service
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with('['))
    {
        if line.contains('=') && !line.starts_with('#') {
            options += 1;
            assert!(is_told && options <= 2, "{line}");
        } else {
            is_told = line.starts_with('#');
            options = 0;
        }
    }
}

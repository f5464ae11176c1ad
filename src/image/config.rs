//! The configuration: what to run, and how. Its digest is the image's ID.
//!
//! OCI's image-spec, config.md, and the keys that Docker has besides, such as `Healthcheck`. The
//! bytes are the same whatever the media types are, and so is the ID.

use serde_json::{Value, json};
use sitepack::date::rfc3339;

use super::layer::Layer;
use super::{FILE, Image, ordered};

/// Nobody in particular: the number that images without a shell have agreed on. A number, since
/// there is no `/etc/passwd` to look a name up in, and Kubernetes asks for one.
const USER: &str = "65532:65532";
/// The port that the server listens on if nobody says otherwise.
const PORT: &str = "8080/tcp";
/// A second, as Docker counts.
const SECOND: u64 = 1_000_000_000;

/// The configuration as it is stored.
pub(super) fn config(image: &Image, layer: &Layer) -> Vec<u8> {
    let created = rfc3339(image.time);
    let program = format!("/{FILE}");
    let labels: Value = image.labels.iter().collect();
    let mut config = json!({
        "architecture": image.platform.architecture,
        "config": {
            "Entrypoint": [program],
            "ExposedPorts": { PORT: {} },
            "Healthcheck": {
                // The probe gives up after 2 s by itself.
                "Interval": 10 * SECOND,
                "Retries": 3,
                "StartInterval": SECOND,
                "StartPeriod": 5 * SECOND,
                "Test": ["CMD", program, "healthcheck"],
                "Timeout": 3 * SECOND,
            },
            "Labels": labels,
            "StopSignal": "SIGTERM",
            "User": USER,
            "WorkingDir": "/",
        },
        "created": created,
        "history": [{ "created": created, "created_by": "chapbook image" }],
        "os": image.platform.system(),
        "rootfs": {
            "diff_ids": [format!("sha256:{}", layer.diff_id)],
            "type": "layers",
        },
    });
    if let (Some(variant), Some(object)) = (&image.platform.variant, config.as_object_mut()) {
        object.insert("variant".to_owned(), variant.as_str().into());
    }
    ordered(config)
}

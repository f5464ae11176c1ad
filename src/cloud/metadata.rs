//! What AWS says of the host: ECS's metadata of the container and its task if there are some, else
//! EC2's of the instance.
//!
//! 1. ECS tells by a file (`ECS_CONTAINER_METADATA_FILE`), by a service
//!    (`ECS_CONTAINER_METADATA_URI_V4`), or by both. EC2's service wants a token first (IMDSv2).
//! 2. All items at once, each on a thread, and all of it within three seconds.
//! 3. What fails is an item that says so; the others are shown.
//! 4. Only addresses of this host are asked, in plain http, as such services are: no name has to be
//!    resolved, and nobody can be made to ask elsewhere.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::Url;
use super::client::{Asked, Client};
use crate::limits::{AWS_ITEM_BYTES_MAX, AWS_SECONDS_MAX, AWS_TOKEN_BYTES_MAX};
use crate::log::debug;
use crate::pages::aws::{Item, Page};
use crate::resolve;

/// EC2's metadata service.
const EC2: &str = "http://169.254.169.254";

/// What is asked of it: what dummyapp shows.
const EC2_ITEMS: [&str; 3] = ["hostname", "placement/availability-zone", "iam/info"];

/// How long a token is good for: as long as it is needed, and then some.
const TOKEN_SECONDS: &str = "60";

/// Where metadata are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The file of ECS.
    pub file: Option<PathBuf>,
    /// The service of ECS.
    pub ecs: Option<Url>,
    /// The service of EC2.
    pub ec2: Url,
}

impl Places {
    /// Without ECS, and with EC2's service where it is.
    ///
    /// # Errors
    /// When that, which is written here, is no address.
    pub fn usual() -> Result<Places, &'static str> {
        Ok(Places {
            file: None,
            ecs: None,
            ec2: EC2.parse()?,
        })
    }

    /// The TCP ports that it connects to.
    pub(super) fn ports(&self) -> Vec<u16> {
        match (&self.file, &self.ecs) {
            (_, Some(ecs)) => vec![ecs.port()],
            (Some(_), None) => Vec::new(),
            (None, None) => vec![self.ec2.port()],
        }
    }

    /// What has to be readable for the file: its directory, since whoever writes the file puts
    /// another one in its place. In a root, or where this was started, that would be too much:
    /// there it is the file alone, as it is now.
    pub(super) fn readable(&self) -> Option<PathBuf> {
        let file = self.file.as_ref()?;
        let is_own = |parent: &&Path| parent.file_name().is_some();
        Some(file.parent().filter(is_own).unwrap_or(file).to_owned())
    }

    fn items(&self) -> Vec<Item> {
        let until = Instant::now() + Duration::from_secs(AWS_SECONDS_MAX);
        let mut sources: Vec<Source<'_>> = Vec::new();
        sources.extend(self.file.as_deref().map(Source::File));
        if let Some(ecs) = &self.ecs {
            sources.push(Source::Service(
                "ECS container".to_owned(),
                ecs.clone(),
                None,
            ));
            let task = ecs.below("/task");
            sources.push(Source::Service("ECS task".to_owned(), task, None));
        }
        if sources.is_empty() {
            let token = token(&self.ec2, until);
            sources.extend(EC2_ITEMS.map(|name| {
                let url = self.ec2.below(&format!("/latest/meta-data/{name}"));
                Source::Service(format!("EC2 {name}"), url, Some(token.clone()))
            }));
        }
        all(&sources, until)
    }
}

/// Whether such a service may be there: on this host, or its link.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(url: &Url) -> Result<(), &'static str> {
    if url.is_https() || url.has_user() {
        return Err("it is not plain http without a user, as metadata services are");
    }
    let is_near = match url.host().parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_link_local(),
        // EC2's is fd00:ec2::254.
        Ok(IpAddr::V6(v6)) => {
            v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unique_local()
        }
        Err(_) => url.host() == "localhost",
    };
    match is_near {
        true => Ok(()),
        false => Err("its host is no address of loopback or of the host's own link"),
    }
}

/// Fetches, on a thread of its own, whenever the page is asked for.
///
/// # Errors
/// When there can be no thread.
pub(super) fn start(places: Places, page: Arc<Page>) -> io::Result<()> {
    let fetch = move || {
        loop {
            let at = page.wanted();
            let items = places.items();
            for item in &items {
                if let Err(cause) = &item.found {
                    debug(format_args!("/aws lacks {}: {cause}", item.title));
                }
            }
            page.put(at, &items);
        }
    };
    let thread = thread::Builder::new().name("aws".to_owned());
    thread.spawn(fetch).map(drop)
}

/// Where an item is from.
enum Source<'a> {
    File(&'a Path),
    /// A title, an address, and a token if it takes one.
    Service(String, Url, Option<Result<String, String>>),
}

/// Each on a thread of its own.
fn all(sources: &[Source<'_>], until: Instant) -> Vec<Item> {
    thread::scope(|scope| {
        let begin = |source| {
            let thread = thread::Builder::new().name("aws-item".to_owned());
            thread.spawn_scoped(scope, move || Source::item(source, until))
        };
        let begun: Vec<_> = sources.iter().map(begin).collect();
        let done = begun.into_iter().zip(sources).map(|(begun, source)| {
            let failed = |cause: String| Item {
                title: source.title(),
                found: Err(cause),
            };
            match begun.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(item)) => item,
                Ok(Err(_)) => failed("the program failed".to_owned()),
                Err(error) => failed(error.to_string()),
            }
        });
        done.collect()
    })
}

impl Source<'_> {
    fn title(&self) -> String {
        match self {
            Source::File(_) => "ECS_CONTAINER_METADATA_FILE".to_owned(),
            Source::Service(title, ..) => title.clone(),
        }
    }

    fn item(&self, until: Instant) -> Item {
        let found = match self {
            Source::File(path) => read(path).map_err(|error| error.to_string()),
            Source::Service(_, _, Some(Err(cause))) => Err(format!("no token: {cause}")),
            Source::Service(_, url, Some(Ok(token))) => {
                let fields = [("X-aws-ec2-metadata-token", &**token)];
                ask("GET", url, &fields, until, AWS_ITEM_BYTES_MAX)
            }
            Source::Service(_, url, None) => ask("GET", url, &[], until, AWS_ITEM_BYTES_MAX),
        };
        Item {
            title: self.title(),
            found,
        }
    }
}

/// IMDSv2: whoever can be made to GET something for others can still not PUT for one of these.
fn token(ec2: &Url, until: Instant) -> Result<String, String> {
    let url = ec2.below("/latest/api/token");
    let fields = [("X-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS)];
    let token = ask("PUT", &url, &fields, until, AWS_TOKEN_BYTES_MAX)?;
    let token = String::from_utf8(token).ok();
    let is_token = |token: &String| token.bytes().all(|byte| byte.is_ascii_graphic());
    let token = token.filter(|token| !token.is_empty() && is_token(token));
    token.ok_or_else(|| "what came is none".to_owned())
}

fn ask(
    method: &'static str,
    url: &Url,
    fields: &[(&'static str, &str)],
    until: Instant,
    bytes_max: u64,
) -> Result<Vec<u8>, String> {
    let within = until.saturating_duration_since(Instant::now());
    if within.is_zero() {
        return Err("there was no time left for it".to_owned());
    }
    let addresses: Vec<SocketAddr> =
        resolve::addresses(&url.authority(), url.port()).map_err(|error| error.to_string())?;
    Client::to(addresses, None).ask(&Asked {
        method,
        url,
        fields,
        content: &[],
        within,
        bytes_max,
    })
}

/// Only a file is read: something else might never end, or not even begin.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut content = Vec::new();
    let mut file = File::open(path)?.take(AWS_ITEM_BYTES_MAX.saturating_add(1));
    file.read_to_end(&mut content)?;
    if content.len() as u64 > AWS_ITEM_BYTES_MAX {
        let cause = format!("it is longer than {AWS_ITEM_BYTES_MAX} bytes");
        return Err(io::Error::other(cause));
    }
    Ok(content)
}

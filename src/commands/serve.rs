//! `chapbook serve`.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use sitepack::Site;

#[cfg(feature = "pack")]
use super::compile;
#[cfg(feature = "pack")]
use super::poems::Poems;
use super::site;
#[cfg(feature = "pack")]
use super::watch::Watch;
use super::{respawn, start::Start};
use crate::cli::{Failure, ServeOptions};
use crate::cloud::{self, Cloud};
use crate::limits::LISTENERS_MAX;
use crate::log::{self, AccessLog, debug, say};
use crate::origin::{Manner, Origin};
use crate::pages::demo::Demo;
use crate::sandbox::{self, Needs};
use crate::server::{self, Address, Bound, Context, Manager, Role, Shape, Signals, UnixAddress};
#[cfg(all(unix, feature = "native"))]
use crate::{
    embedded,
    server::{Engine, SiteFile},
};

pub(super) fn run(options: &ServeOptions) -> Result<(), Failure> {
    let failed = |error| Failure::failed(format!("failed to start: {error}"));
    // A thread has one connection at least.
    let threads = options.threads.min(options.server.connections.connections);
    let shape = options.engine.shape(threads);
    let passed = server::passed(shape).map_err(Failure::unusable)?;
    // Early, as it says when that was; packing may take minutes. Behind the numbers that others
    // may claim to have passed. Without /proc it is not told.
    #[cfg(target_os = "linux")]
    let process = server::Process::open().ok();
    let signals = Signals::catch(super::abandon).map_err(failed)?;
    #[cfg(unix)]
    respawn::heed().map_err(failed)?;
    let opened = log::open(&options.log).map_err(Failure::failed)?;
    let cloud = Cloud::prepare(&options.cloud);
    let serving = Serving::of(options, &cloud)?;
    let signals = signals.prepared();
    let bound = bind(options, passed, shape)?;
    let addresses = addresses(&bound).map_err(failed)?;

    #[cfg(all(unix, feature = "native"))]
    let site_file = site_file(options.engine);
    // Everything is open, and the first thread is started below this line: so the sandbox is
    // around all of them.
    let manager = Manager::find();
    let mut needs = needs(options, &bound, &serving.source, &cloud).map_err(failed)?;
    // A receiver of syslog that was away is connected to again.
    needs.connect.extend(opened.port());
    needs.unix.extend(opened.socket());
    let sandbox = sandbox::enter(options.sandbox, &needs)
        .map_err(|lack| Failure::failed(format!("failed to enter the sandbox: {lack}")))?;
    let access_log = opened.start().map_err(Failure::failed)?;
    let mut context = (serving.context)(access_log);
    set(&mut context, options);
    context.sandbox = sandbox;
    #[cfg(target_os = "linux")]
    {
        context.process = process;
    }
    #[cfg(all(unix, feature = "native"))]
    {
        context.site_file = site_file;
    }
    let context = Arc::new(context);
    Start {
        told: &serving.told,
        addresses: &addresses,
        engine: options.engine,
        provenance: serving.provenance.as_deref(),
        digest: &serving.digest,
        sandbox: &context.sandbox.to_string(),
        location: options.location.as_deref(),
    }
    .tell();
    debug(format_args!("{:?}, {:?}", options.requests, options.server));
    begin(cloud, &serving.taken, &context).map_err(failed)?;
    let hung_up = serving.source.start(&context).map_err(failed)?;
    signals.end(context.clone(), hung_up).map_err(failed)?;
    server::tell(manager, &context);
    let served = server::serve(options.engine, bound, &context).map_err(failed);
    // It may be packing again.
    super::abandon();
    served?;
    context.access_log.flush();
    say(format_args!("{}", context.statistics));
    log::finish();
    Ok(())
}

/// Where clients on this machine reach it, in words.
fn addresses(bound: &[Bound]) -> io::Result<String> {
    let addresses = bound.iter().map(|bound| {
        let url = bound.address()?.local_url();
        Ok(match bound.role() {
            Role::Site => url,
            Role::Admin => url + " (management)",
        })
    });
    Ok(addresses.collect::<io::Result<Vec<_>>>()?.join(", "))
}

/// What the options say of how it serves.
fn set(context: &mut Context, options: &ServeOptions) {
    context.options = options.server;
    context.proxies = options.proxies.clone();
    if options.demo {
        let variables = std::env::vars_os();
        let text = |text: OsString| text.to_string_lossy().into_owned();
        let variables = variables.map(|(name, value)| (text(name), text(value)));
        context.demonstrate(Demo::new(options.location.clone(), variables));
    }
}

/// Begins to ask a cloud, and to tell it what the server counts.
fn begin(cloud: Cloud, taken: &[&str], context: &Arc<Context>) -> io::Result<()> {
    cloud.start(taken)?;
    #[cfg(feature = "heroku")]
    {
        let counted = context.clone();
        cloud.report(move || counted.totals())?;
    }
    let _ = context;
    Ok(())
}

/// Listens where the options say, and on the sockets that were passed; else where it is usual. The
/// operator's listener is no place for the site, so it does not count.
fn bind(options: &ServeOptions, passed: Vec<Bound>, shape: Shape) -> Result<Vec<Bound>, Failure> {
    let usual = [Address::default()];
    let admin = &options.admin_listen;
    let listen = match &*options.listen {
        [] if passed.is_empty() => &usual[..],
        listen => listen,
    };
    if listen.len() + admin.len() + passed.len() > LISTENERS_MAX {
        let message = format!("there are more than {LISTENERS_MAX} addresses to listen on");
        return Err(Failure::unusable(message));
    }
    let site = listen.iter().map(|address| (Role::Site, address));
    let all = site.chain(admin.iter().map(|address| (Role::Admin, address)));
    let mut bound = server::bind_all(all, shape).map_err(Failure::unusable)?;
    bound.extend(passed);
    Ok(bound)
}

/// What has to be done from inside the sandbox.
fn needs(
    options: &ServeOptions,
    bound: &[Bound],
    source: &Reread,
    cloud: &Cloud,
) -> io::Result<Needs> {
    let mut needs = Needs {
        connect: cloud.ports(),
        read: cloud.readable().into_iter().collect(),
        ..Needs::default()
    };
    for bound in bound {
        match bound.address()? {
            Address::Tcp(address) if options.engine.knocks() => needs.connect.push(address.port()),
            Address::Tcp(_) => {}
            Address::Unix(UnixAddress { path, .. }) => {
                let directory = path.parent().filter(|name| !name.as_os_str().is_empty());
                let directory = directory.unwrap_or(Path::new(".")).to_owned();
                needs.remove.push(directory);
                if options.engine.knocks() {
                    needs.unix.push(path);
                }
            }
        }
    }
    #[cfg(feature = "pack")]
    if let (Some(directory), Some(options)) = (source.directory(), &options.source) {
        needs.read.push(directory.to_owned());
        needs.read.extend(compile::theme().map(Path::to_owned));
        let cache = compile::cache(options).filter(|directory| directory.is_dir());
        needs.write = cache.into_iter().collect();
    }
    #[cfg(not(feature = "pack"))]
    let _ = source;
    Ok(needs)
}

/// The file that the site can be sent from, for an engine that sends files: the executable. Where
/// `/proc` does not tell where in it, as in an empty root, the site is looked for in the file of
/// the executable's name.
#[cfg(all(unix, feature = "native"))]
fn site_file(engine: Engine) -> Option<SiteFile> {
    if engine != Engine::Native {
        return None;
    }
    let within = |site, error| {
        let file = embedded::executable()?;
        SiteFile::within(file, site).map_err(|_| error)
    };
    embedded::bytes()
        .and_then(|site| SiteFile::executable(site).or_else(|error| within(site, error)))
        .inspect_err(|e| log::warn(format_args!("large contents are copied, not sent: {e}")))
        .ok()
}

/// What is served.
struct Serving {
    /// In words.
    told: String,
    /// The digest of the site.
    digest: String,
    /// Where the site came from, as JSON in one line.
    provenance: Option<String>,
    /// What of the site a page of the server's own would hide, if there is such a page.
    taken: Vec<&'static str>,
    context: Box<dyn FnOnce(AccessLog) -> Context>,
    source: Reread,
}

/// What is served may be read again.
enum Reread {
    Never,
    /// When it has changed.
    #[cfg(feature = "pack")]
    Watched(Watch),
    /// When somebody asks.
    #[cfg(feature = "pack")]
    Asked(Poems),
}

impl Reread {
    /// The directory that is read, if one is.
    #[cfg(feature = "pack")]
    fn directory(&self) -> Option<&Path> {
        match self {
            Reread::Never => None,
            Reread::Watched(watch) => Some(watch.directory()),
            Reread::Asked(poems) => poems.directory(),
        }
    }

    /// Begins to: what to do when SIGHUP comes.
    fn start(self, context: &Arc<Context>) -> io::Result<Box<dyn Fn() + Send>> {
        let nothing = || say(format_args!("SIGHUP: there is nothing to read anew"));
        match self {
            Reread::Never => {
                let _ = context;
            }
            #[cfg(feature = "pack")]
            Reread::Watched(watch) => watch.start(context.clone())?,
            #[cfg(feature = "pack")]
            Reread::Asked(poems) => {
                let anew = poems.start(context.clone())?;
                return Ok(Box::new(move || anew.ask()));
            }
        }
        Ok(Box::new(nothing))
    }
}

impl Serving {
    fn of(options: &ServeOptions, cloud: &Cloud) -> Result<Serving, Failure> {
        let manner = cloud.manner(Manner::new(options.requests));
        #[cfg(feature = "pack")]
        if let Some(source) = &options.source {
            let (site, source) = if options.watch {
                let (site, watch) = Watch::begin(source)?;
                (site, Reread::Watched(watch))
            } else if source.as_poems {
                let (site, poems) = Poems::begin(source)?;
                (site, Reread::Asked(poems))
            } else {
                let (_, site) = compile::in_memory(source, false, 0, &mut Default::default())?;
                (site, Reread::Never)
            };
            return Ok(Serving {
                told: told(&site.site()),
                digest: site.site().digest().hex(),
                provenance: provenance(&site.site()),
                taken: cloud::taken(&site.site()),
                context: Box::new(move |log| Context::holding(site, manner, log)),
                source,
            });
        }
        let site = site()?;
        Ok(Serving {
            told: told(&site),
            digest: site.digest().hex(),
            provenance: provenance(&site),
            taken: cloud::taken(&site),
            context: Box::new(move |log| Context::new(Origin::new(site).with_manner(manner), log)),
            source: Reread::Never,
        })
    }
}

fn told(site: &Site<'_>) -> String {
    let digest = site.digest().hex();
    let digest = digest.get(..12).unwrap_or_default();
    format!("{} paths of site {digest}", site.len())
}

/// Where the site came from, as JSON in one line.
fn provenance(site: &Site<'_>) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(site.provenance()?).ok()?;
    Some(json.to_string())
}

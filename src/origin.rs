//! The origin server: every branch of a request, from its target to its answer. Pure: a request
//! and a time go in, a response that borrows from the packed site comes out.

use std::borrow::Cow;
use std::sync::Arc;

use sitepack::rules::{self, Pattern};
use sitepack::{ContentCoding, Corrupt, Entry, Redirect, Representation, Resource, Site, SitePath};

use crate::http::expectation::{Expectation, expectation};
use crate::http::framing::framing;
use crate::http::method::Method;
use crate::http::negotiate::AcceptEncoding;
use crate::http::precondition::{Outcome, Validators, evaluate, range_applies};
use crate::http::range::{self, Ranges};
use crate::http::target::Target;
use crate::http::{host, status::Status};
use crate::limits::RequestLimits;
use crate::pages::{self, Asker, Pages};
use crate::reason::Reason;
use crate::request::{Fields, Request};
use crate::response::{ACCEPT_RANGES, Response};

/// An origin server for one packed site.
#[derive(Clone, Debug)]
pub struct Origin<'s> {
    site: Site<'s>,
    manner: Manner,
}

/// How an origin answers, whatever its site is. A copy shares what its pages tell.
#[derive(Clone, Debug)]
pub struct Manner {
    limits: RequestLimits,
    pages: Arc<Pages>,
    #[cfg(feature = "aws")]
    aws: Option<Arc<pages::aws::Page>>,
}

impl Manner {
    /// Ready, with these bounds on a request.
    #[must_use]
    pub fn new(limits: RequestLimits) -> Manner {
        Manner {
            limits,
            pages: Arc::default(),
            #[cfg(feature = "aws")]
            aws: None,
        }
    }

    /// The same with the page `/aws`, in the place of what a site has there.
    #[cfg(feature = "aws")]
    #[must_use]
    pub fn with_aws(self, page: Arc<pages::aws::Page>) -> Manner {
        Manner {
            aws: Some(page),
            ..self
        }
    }

    /// The pages that are made at run time.
    #[must_use]
    pub fn pages(&self) -> &Pages {
        &self.pages
    }
}

impl<'s> Origin<'s> {
    /// An origin for an opened site.
    #[must_use]
    pub fn new(site: Site<'s>) -> Origin<'s> {
        Origin {
            site,
            manner: Manner::new(RequestLimits::default()),
        }
    }

    /// The same with other bounds on a request.
    #[must_use]
    pub fn with_limits(self, limits: RequestLimits) -> Origin<'s> {
        let manner = Manner {
            limits,
            ..self.manner
        };
        Origin { manner, ..self }
    }

    /// The same in the manner of another.
    #[must_use]
    pub fn with_manner(self, manner: Manner) -> Origin<'s> {
        Origin { manner, ..self }
    }

    /// How it answers.
    #[must_use]
    pub fn manner(&self) -> &Manner {
        &self.manner
    }

    /// The bounds on a request.
    #[must_use]
    pub fn limits(&self) -> &RequestLimits {
        &self.manner.limits
    }

    /// The site.
    #[must_use]
    pub fn site(&self) -> &Site<'s> {
        &self.site
    }

    /// Answers a request of anybody; `now` in seconds since 1970.
    #[must_use]
    pub fn respond(&self, request: &Request<'_>, now: u64) -> Response<'s> {
        self.respond_to(Asker::Anybody, request, now)
    }

    /// Answers a request of somebody in particular.
    #[must_use]
    pub fn respond_to(&self, asker: Asker, request: &Request<'_>, now: u64) -> Response<'s> {
        let response = self
            .answer(asker, request, now)
            .unwrap_or_else(|reason| self.refuse(reason, asker, request));
        if request.method == b"HEAD" {
            response.without_content()
        } else {
            response
        }
    }

    fn answer(
        &self,
        asker: Asker,
        request: &Request<'_>,
        now: u64,
    ) -> Result<Response<'s>, Reason> {
        within_limits(request, &self.manner.limits)?;
        if request.version.major != 1 {
            return Err(Reason::VersionUnsupported);
        }
        // RFC 9112 §3.2, §6.3: these get 400 whatever the method is.
        host::check(request)?;
        framing(request)?;
        let method = Method::parse(request.method)?;
        let target = Target::parse(method, request.method, request.target)?;
        // § 10.1.1: an expectation that cannot be met may be refused.
        if expectation(request) == Expectation::Unknown {
            return Err(Reason::ExpectationUnknown);
        }
        let (path, query, moved) = match (method, target) {
            (Method::NotAllowed, Target::Resource { path, .. }) if request.method == b"POST" => {
                return self.manner.pages.post(&path);
            }
            (Method::NotAllowed, _) => return Err(Reason::MethodNotAllowed),
            (_, Target::Authority) => return Err(Reason::TargetMalformed),
            (_, Target::Asterisk) => return Ok(Response::text(Reason::Options, "")),
            (_, Target::Unencoded { location }) => return Ok(encoded(&location)),
            (_, Target::Resource { path, query, moved }) => (path, query, moved),
        };
        match (self.find(&path, asker, request, now)?, method) {
            (Found::Redirect { location, status }, _) => {
                let reason = Reason::Redirected;
                Ok(redirect(reason, Some(status), &location, query))
            }
            (Found::Missing(page), _) => missing(&page, request.fields),
            _ if moved => Ok(redirect(
                Reason::MadeCanonical,
                None,
                &path.encoded(),
                query,
            )),
            (_, Method::Options) => Ok(Response::text(Reason::Options, "")),
            (Found::Page(page), _) => Ok(unless_precondition(page, request.fields, now)),
            (Found::Resource(resource), _) => match self.index(&path, &resource, request, now)? {
                Some(index) => Ok(index),
                None => self.represent(&resource, request, method, now),
            },
        }
    }

    fn find(
        &self,
        path: &SitePath<'_>,
        asker: Asker,
        request: &Request<'_>,
        now: u64,
    ) -> Result<Found<'s>, Reason> {
        let is_own = pages::is_own(path);
        if (is_own || asker == Asker::Operator)
            && let Some(page) = self.manner.pages.find(path, request, asker, &self.site)?
        {
            return Ok(Found::Page(page));
        }
        #[cfg(feature = "aws")]
        if let Some(page) = &self.manner.aws
            && path.as_str() == pages::aws::PATH
        {
            return Ok(Found::Page(page.respond(now)));
        }
        #[cfg(not(feature = "aws"))]
        let _ = now;
        let there = self.site.find(path)?;
        if there.is_none()
            && !is_own
            && let Some(ruled) = self.by_rule(path)?
        {
            return Ok(ruled);
        }
        Ok(match there.ok_or(Reason::NotFound)? {
            Entry::Redirect(Redirect {
                location, status, ..
            }) => Found::Redirect {
                location: Cow::Borrowed(location),
                status,
            },
            Entry::Resource(resource) if resource.status == 404 => Found::Missing(resource),
            Entry::Resource(resource) => Found::Resource(resource),
        })
    }

    /// The index page behind a banner, where that is shown.
    fn index(
        &self,
        path: &SitePath<'_>,
        resource: &Resource<'s>,
        request: &Request<'_>,
        now: u64,
    ) -> Result<Option<Response<'s>>, Reason> {
        let demo = self.manner.pages.demo().filter(|_| *path == SitePath::ROOT);
        let Some(index) = demo.map_or(Ok(None), |demo| demo.index(resource, &self.site))? else {
            return Ok(None);
        };
        let validators = Validators {
            entity_tag: index.entity_tag.as_bytes(),
            modified: None,
        };
        let found = resource.identity()?;
        Ok(Some(match evaluate(request.fields, validators, now) {
            Outcome::Proceed => Response::index(&found, index),
            Outcome::NotModified(reason) => Response::index_not_modified(reason, &found, &index),
            Outcome::Failed(reason) => Response::refusal(reason),
        }))
    }

    /// What the first rule that takes the path makes of it.
    fn by_rule(&self, path: &SitePath<'_>) -> Result<Option<Found<'s>>, Reason> {
        for rule in self.site.rules() {
            let rule = rule?;
            let pattern = Pattern::new(rule.pattern).map_err(|_| Corrupt)?;
            let Some(captures) = pattern.matches(path.as_str()) else {
                continue;
            };
            // A target was checked when it was packed; what is put in may still make it none.
            let not_found = |_| Reason::NotFound;
            if !matches!(rule.status, 200 | 404) {
                let location = rules::location(rule.target, &captures).map_err(not_found)?;
                return Ok(Some(Found::Redirect {
                    location: Cow::Owned(location),
                    status: rule.status,
                }));
            }
            let shown = rules::rewritten(rule.target, &captures).map_err(not_found)?;
            let resource = self.shown(&shown)?;
            return Ok(Some(if rule.status == 404 || resource.status == 404 {
                Found::Missing(resource)
            } else {
                Found::Resource(resource)
            }));
        }
        Ok(None)
    }

    /// What a rewrite to `path` shows: what stands there, or where the site itself redirects to:
    /// authors write `/index.html` and mean `/`.
    fn shown(&self, path: &SitePath<'_>) -> Result<Resource<'s>, Reason> {
        let mut found = self.site.find(path)?;
        if let Some(Entry::Redirect(to)) = found
            && let Ok((path, false)) = SitePath::from_target(to.location.as_bytes())
        {
            found = self.site.find(&path)?;
        }
        match found {
            Some(Entry::Resource(resource)) => Ok(resource),
            Some(Entry::Redirect(_)) | None => Err(Reason::NotFound),
        }
    }

    /// Selects a representation, evaluates the preconditions, then the range: RFC 9110 §13.2.2.
    fn represent(
        &self,
        resource: &Resource<'s>,
        request: &Request<'_>,
        method: Method,
        now: u64,
    ) -> Result<Response<'s>, Reason> {
        let Some(mut selected) = select(resource, request.fields)? else {
            return Ok(not_acceptable(resource)?);
        };
        // § 8.8.2.1: no Last-Modified that is later than Date.
        let modified = self.site.modified().filter(|modified| *modified <= now);
        if modified != self.site.modified() {
            selected.fields.about = ACCEPT_RANGES;
        }
        let entity_tag = selected.entity_tag();
        let validators = Validators {
            entity_tag: entity_tag.as_bytes(),
            modified,
        };
        match evaluate(request.fields, validators, now) {
            Outcome::Proceed => {}
            Outcome::NotModified(reason) => return Ok(Response::not_modified(reason, &selected)),
            Outcome::Failed(reason) => return Ok(refusal_of(resource, reason)),
        }
        let ranges = match method {
            // § 14.2: Range is defined for GET alone.
            Method::Get => ranges(request.fields, &selected, validators, now),
            Method::Head | Method::Options | Method::NotAllowed => Ranges::Ignored,
        };
        let brief = request.fields.has("if-range");
        Ok(match ranges {
            Ranges::Ignored => Response::whole(&selected),
            Ranges::Parts(parts) => match (&*parts, selected.stored()) {
                ([part], _) => Response::part(&selected, *part, brief),
                (parts, Some(stored)) => {
                    Response::parts(&selected, stored, parts, resource.media_type, brief)
                }
                // § 14.2: a server may ignore Range; making several parts would make it anew for
                // each of them.
                (_, None) => Response::whole(&selected),
            },
            Ranges::Unsatisfiable => {
                let mut response = refusal_of(resource, Reason::RangeUnsatisfiable);
                let length = selected.length;
                response.push("Content-Range", format_args!("bytes */{length}"));
                response
            }
        })
    }

    /// A refusal. What is missing gets the site's own page, if it has one and it is acceptable.
    fn refuse(&self, reason: Reason, asker: Asker, request: &Request<'_>) -> Response<'s> {
        if reason == Reason::NotFound
            && asker != Asker::Operator
            && let Ok(Some(page)) = self.site.not_found()
            && let Ok(response) = missing(&page, request.fields)
        {
            return response;
        }
        Response::refusal(reason)
    }
}

/// What a path leads to: a page made here, or something of the site.
enum Found<'s> {
    Page(Response<'s>),
    Redirect {
        location: Cow<'s, str>,
        status: u16,
    },
    Resource(Resource<'s>),
    /// Something that is shown because there is nothing.
    Missing(Resource<'s>),
}

/// 404 with a page of the site, if it is acceptable.
fn missing<'s>(page: &Resource<'s>, fields: Fields<'_>) -> Result<Response<'s>, Reason> {
    let selected = select(page, fields)?.ok_or(Reason::NotFound)?;
    Ok(Response::not_found(&selected))
}

/// A page made here. Nothing validates it, but it is there: what `*` means, and no entity-tag.
fn unless_precondition<'s>(page: Response<'s>, fields: Fields<'_>, now: u64) -> Response<'s> {
    let validators = Validators {
        entity_tag: b"",
        modified: None,
    };
    // § 13.2.1: preconditions count only where the answer would be 2xx.
    if page.status != Status::Ok {
        return page;
    }
    match evaluate(fields, validators, now) {
        Outcome::Proceed => page,
        Outcome::NotModified(reason) => Response::page_not_modified(reason),
        Outcome::Failed(reason) => Response::refusal(reason),
    }
}

/// A refusal that another representation might not have met.
fn refusal_of<'s>(resource: &Resource<'_>, reason: Reason) -> Response<'s> {
    let mut response = Response::refusal(reason);
    if resource.is_negotiated() {
        response.push("Vary", "Accept-Encoding");
    }
    response
}

fn not_acceptable<'s>(resource: &Resource<'_>) -> Result<Response<'s>, Corrupt> {
    let codings: Result<Vec<_>, _> = resource
        .representations()
        .map(|representation| Ok(representation?.coding))
        .collect();
    Ok(Response::not_acceptable(&codings?))
}

/// The representation that the client likes best; of equals the shortest. None if the client
/// excludes them all.
fn select<'s>(
    resource: &Resource<'s>,
    fields: Fields<'_>,
) -> Result<Option<Representation<'s>>, Corrupt> {
    let accepted = AcceptEncoding::parse(fields.lines("accept-encoding"));
    resource.preferred(|coding| accepted.preference(coding))
}

fn ranges(
    fields: Fields<'_>,
    selected: &Representation<'_>,
    validators: Validators<'_>,
    now: u64,
) -> Ranges {
    // All codings share one date, so that a date can only mean the plain representation.
    let modified = validators
        .modified
        .filter(|_| selected.coding == ContentCoding::Identity);
    let validators = Validators {
        modified,
        ..validators
    };
    let mut lines = fields.lines("range");
    match (lines.next(), lines.next()) {
        (Some(value), None) if range_applies(fields, validators, now) => {
            range::parse(value, selected.length)
        }
        _ => Ranges::Ignored,
    }
}

/// § 3.2 of RFC 9112: 301 to the same target, encoded as it should be.
fn encoded<'s>(location: &[u8]) -> Response<'s> {
    let mut response = Response::refusal(Reason::Encoded);
    response.push_with("Location", |line| line.extend_from_slice(location));
    response
}

fn redirect<'s>(
    reason: Reason,
    status: Option<u16>,
    location: &str,
    query: Option<&[u8]>,
) -> Response<'s> {
    let mut response = Response::refusal(reason);
    response.status = status.and_then(redirect_status).unwrap_or(response.status);
    response.push_with("Location", |line| {
        line.extend_from_slice(location.as_bytes());
        if let Some(query) = query.filter(|_| !location.contains(['?', '#'])) {
            line.push(b'?');
            line.extend_from_slice(query);
        }
    });
    response
}

fn redirect_status(code: u16) -> Option<Status> {
    [
        Status::MovedPermanently,
        Status::Found,
        Status::SeeOther,
        Status::TemporaryRedirect,
        Status::PermanentRedirect,
    ]
    .into_iter()
    .find(|status| status.code() == code)
}

/// An engine may stop reading sooner; here the bounds hold for every engine.
fn within_limits(request: &Request<'_>, limits: &RequestLimits) -> Result<(), Reason> {
    if request.target.len() > limits.target_bytes {
        return Err(Reason::TargetTooLong);
    }
    let lines = request.fields.0;
    let bytes: usize = lines
        .iter()
        .map(|field| field.name.len() + field.value.len() + 4)
        .sum();
    if lines.len() > limits.field_lines || bytes > limits.field_section_bytes {
        return Err(Reason::FieldsTooLarge);
    }
    Ok(())
}

impl From<Corrupt> for Reason {
    fn from(_: Corrupt) -> Reason {
        Reason::SiteCorrupt
    }
}

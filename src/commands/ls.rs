//! `chapbook ls`: what is in the site; with `--json`, its manifest.

use sitepack::{Corrupt, Entry};

use super::{index, print};
use crate::cli::Failure;
use crate::limits::PIECE_BYTES;
use crate::pages::manifest::Listing;

pub(super) fn run(json: bool) -> Result<(), Failure> {
    let site = index()?;
    if json {
        let mut listing = Listing::of(&site);
        let mut piece = vec![0; PIECE_BYTES];
        let mut is_over = false;
        while !is_over {
            let made;
            (made, is_over) = listing.step(&mut piece);
            print(piece.get(..made).unwrap_or_default())?;
        }
        return match listing.is_damaged() {
            true => Err(Failure::failed(Corrupt)),
            false => Ok(()),
        };
    }
    let mut text = String::new();
    for entry in site.entries() {
        text.push_str(&line(&entry.map_err(Failure::failed)?)?);
    }
    print(text.as_bytes())
}

fn line(entry: &Entry<'_>) -> Result<String, Failure> {
    match entry {
        Entry::Redirect(to) => Ok(format!(
            "{:>10}  {} -> {}\n",
            to.status, to.path, to.location
        )),
        Entry::Resource(resource) => {
            let mut codings = String::new();
            for found in resource.representations() {
                let found = found.map_err(Failure::failed)?;
                codings.push_str(&format!(" {}:{}", found.coding, found.length));
            }
            let size = resource.identity().map_err(Failure::failed)?.length;
            Ok(format!(
                "{size:>10}  {}  {}{codings}\n",
                resource.path, resource.media_type
            ))
        }
    }
}

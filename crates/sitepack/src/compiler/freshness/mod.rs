//! Freshness by evidence: which files can never change under their name.
//!
//! Generators write a hash of a file's content into its name, and then a browser may keep the
//! file for a year without asking. To say so of a file that does change is the worse mistake: a
//! visitor keeps the old one, and nobody can call it back. To miss one costs a 304. So a name
//! has to carry evidence:
//!
//! - a run of hexadecimal digits that begins the content's own SHA-256: proof, in any file; or
//! - in an asset (a script, style sheet, font, image; never a page, feed or data), just before
//!   the extension, a text that looks like a hash and not like a word, number, date or version.
//!
//! The directory alone is no evidence, but it helps to read the name: below `_astro/` and its
//! like every generator puts a hash into every name, so that less is asked of it there.

mod token;

use self::token::{is_base64url, is_hex, is_letters_and_digits, is_upper};
use crate::digest::Digest;

/// How many hexadecimal digits a hash must have: with fewer, chance would find some in words.
const HEX_DIGITS_MIN: usize = 8;
/// How many a document or film must carry: their names often end in the number of a record.
const HEX_DIGITS_OF_MEDIA_MIN: usize = 20;
/// The lengths that whole names have, in hexadecimal digits: webpack, SHA-1, SHA-256, SHA-384,
/// SHA-512. (24 is an identifier of MongoDB, 32 a UUID or an MD5 of something else.)
const WHOLE_NAME_DIGITS: [usize; 5] = [20, 40, 64, 96, 128];
/// MD5, which scripts, style sheets and fonts have as whole names, and directories of Gatsby.
const MD5_DIGITS: usize = 32;
/// Rollup, Vite, esbuild and Parcel write so many characters.
const HASH_CHARACTERS: usize = 8;
/// .NET writes so many.
const DOTNET_CHARACTERS: usize = 10;
/// Next.js names a directory after the build, with so many characters.
const BUILD_CHARACTERS: usize = 21;

/// Whether the name of a file carries a hash of its content.
pub(crate) fn is_immutable(path: &str, content_digest: &Digest) -> bool {
    let (directory, name) = path.rsplit_once('/').unwrap_or_default();
    if carries_digest(name, &content_digest.hex()) {
        return true;
    }
    let Some((stem, kind)) = stem(name) else {
        return false;
    };
    let home = Home::of(directory);
    if kind == Kind::Media {
        return hex_tail(stem).is_some_and(|hex| hex.len() >= HEX_DIGITS_OF_MEDIA_MIN);
    }
    hex_tail(stem).is_some()
        || is_whole_name(stem, kind, home)
        || short_tail(stem, home).is_some()
        || is_hugo_image(stem)
        || is_gatsby_static(directory)
        || (home == Home::Next && is_next_manifest(directory, name))
        || (home == Home::Astro && is_astro_image(stem))
}

/// Whether a run of hexadecimal digits begins the content's own digest.
fn carries_digest(name: &str, digest: &str) -> bool {
    name.split(|character: char| !character.is_ascii_hexdigit())
        .any(|run| run.len() >= HEX_DIGITS_MIN && digest.starts_with(run))
}

/// A directory in which a generator puts a hash into every name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    None,
    Astro,
    Next,
    /// SvelteKit, Nuxt, .NET, rustdoc's search index.
    Other,
}

impl Home {
    fn of(directory: &str) -> Home {
        let below = |home: &str| {
            let mut at = directory.match_indices(home);
            at.any(|(at, _)| {
                let end = directory.get(at + home.len()..).unwrap_or_default();
                end.is_empty() || end.starts_with('/')
            })
        };
        if below("/_astro") {
            Home::Astro
        } else if below("/_next/static") {
            Home::Next
        } else if ["/_app/immutable", "/_nuxt", "/_framework", "/search.index"]
            .into_iter()
            .any(below)
        {
            Home::Other
        } else {
            Home::None
        }
    }
}

/// What a file is for, by its extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Scripts, style sheets, fonts, WebAssembly.
    Code,
    Image,
    Media,
}

const CODE: [&str; 10] = [
    "js", "mjs", "cjs", "css", "map", "wasm", "woff", "woff2", "ttf", "otf",
];
const IMAGES: [&str; 9] = [
    "svg", "png", "jpg", "jpeg", "gif", "webp", "avif", "ico", "eot",
];
const MEDIA: [&str; 8] = ["pdf", "mp4", "webm", "ogg", "mp3", "m4a", "wav", "zip"];
/// What stands between the hash and the extension.
const SUFFIXES: [&str; 17] = [
    ".min",
    ".chunk",
    ".bundle",
    ".module",
    ".lean",
    ".async",
    ".legacy",
    ".worker",
    ".digested",
    ".js",
    ".mjs",
    ".css",
    ".ttf",
    ".otf",
    "-s",
    ".p",
    "_bg",
];

/// The name without its extensions, if it is one of an asset.
fn stem(name: &str) -> Option<(&str, Kind)> {
    let (mut stem, extension) = name.rsplit_once('.')?;
    let kind = match extension {
        code if CODE.contains(&code) => Kind::Code,
        image if IMAGES.contains(&image) => Kind::Image,
        media if MEDIA.contains(&media) => Kind::Media,
        _ => return None,
    };
    while let Some(shorter) = SUFFIXES.iter().find_map(|suffix| stem.strip_suffix(suffix)) {
        stem = shorter;
    }
    Some((stem, kind))
}

/// Hexadecimal digits at the end, behind a separator: webpack, Parcel, Hugo, Sprockets, mdBook,
/// rustdoc, Angular before 17, Django, Vite before 5.
fn hex_tail(stem: &str) -> Option<&str> {
    let at = stem.rfind(['.', '-', '~', '_'])?;
    let (before, tail) = stem.split_at(at);
    let hex = tail.get(1..).filter(|hex| is_hex(hex, HEX_DIGITS_MIN))?;
    // `_` joins words more often than hashes.
    let separated = !tail.starts_with('_') || hex.len() >= HEX_DIGITS_MIN * 2;
    let is_record = hex.len() == 24 || is_uuid(stem) || ends_in_number(before);
    (separated && !is_record).then_some(hex)
}

/// `photo-1506744038136-46273834b3fb`: a moment and a number are an identifier.
fn ends_in_number(before: &str) -> bool {
    let last = before.rsplit(['-', '_', '.']).next().unwrap_or_default();
    last.len() >= 10 && last.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the text ends in a UUID: RFC 9562 §4.
fn is_uuid(stem: &str) -> bool {
    let mut groups = stem.rsplit('-');
    let mut length_of = |first: bool| {
        let group = groups.next().unwrap_or_default();
        // Before the first group something else may stand, without a separator of ours.
        let digits = group
            .bytes()
            .rev()
            .take_while(u8::is_ascii_hexdigit)
            .count();
        if first { digits.min(8) } else { group.len() }
    };
    let lengths = [false, false, false, false, true].map(&mut length_of);
    lengths == [12, 4, 4, 4, 8]
}

/// A name that is nothing but a hash.
fn is_whole_name(stem: &str, kind: Kind, home: Home) -> bool {
    let digits = stem.len();
    match home {
        Home::None => {
            let fits =
                WHOLE_NAME_DIGITS.contains(&digits) || (digits == MD5_DIGITS && kind == Kind::Code);
            fits && is_hex(stem, digits)
        }
        Home::Astro | Home::Next | Home::Other => {
            // 12 as rustdoc, 16 as Next.js.
            is_hex(stem, 12)
                || (digits == HASH_CHARACTERS
                    && (is_base64url(stem, true) || is_letters_and_digits(stem, true)))
        }
    }
}

/// A hash that is not hexadecimal, behind a separator: Vite, Rollup, esbuild, Angular, Remix,
/// Astro, VitePress, Bun.
fn short_tail(stem: &str, home: Home) -> Option<&str> {
    let at_home = home != Home::None;
    let behind_separator = |characters: usize| {
        let at = stem.len().checked_sub(characters + 1)?;
        let separator = stem.get(at..at + 1)?;
        let named = at > 0 && matches!(separator, "." | "-" | "~");
        stem.get(at + 1..).filter(|_| named)
    };
    let short = behind_separator(HASH_CHARACTERS).filter(|hash| {
        let behind_chunk = stem.len() == "chunk-".len() + hash.len() && stem.starts_with("chunk");
        is_base64url(hash, at_home)
            || is_upper(hash, behind_chunk)
            || is_letters_and_digits(hash, at_home)
    });
    let dotnet = behind_separator(DOTNET_CHARACTERS)
        .filter(|hash| home == Home::Other && is_letters_and_digits(hash, true));
    short.or(dotnet)
}

/// `photo_hu3d5f…_12345_800x0_resize_q75_box`, `photo_hu_7a5a…`, `photo_hu13877539345067391270`.
fn is_hugo_image(stem: &str) -> bool {
    let Some((_, behind)) = stem.split_once("_hu") else {
        return false;
    };
    let behind = behind.strip_prefix('_').unwrap_or(behind);
    let hash = behind.split('_').next().unwrap_or_default();
    is_hex(hash, 16) || (hash.len() >= 17 && hash.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `photo.Bxk2aP9d_Z1abcD`: the hash of the source, then that of what was done to it.
fn is_astro_image(stem: &str) -> bool {
    let Some((before, transform)) = stem.rsplit_once('_') else {
        return false;
    };
    let is_transform = (4..=7).contains(&transform.len())
        && transform.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_transform && short_tail(before, Home::Astro).is_some()
}

/// `/static/0a1b…/ee604/photo.png`: the first directory is the MD5 of the content.
fn is_gatsby_static(directory: &str) -> bool {
    let mut segments = directory.split('/').skip_while(|name| *name != "static");
    let hash = segments.nth(1).unwrap_or_default();
    hash.len() == MD5_DIGITS && is_hex(hash, MD5_DIGITS)
}

/// `/_next/static/bP0v2rJk9X8aLm3nQw1Zt/_buildManifest.js`: the directory names the build.
fn is_next_manifest(directory: &str, name: &str) -> bool {
    let build = directory.rsplit('/').next().unwrap_or_default();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    name.starts_with('_')
        && name.ends_with("Manifest.js")
        && build.len() == BUILD_CHARACTERS
        && build.bytes().all(fits)
        && build.bytes().any(|byte| byte.is_ascii_uppercase())
        && build.bytes().any(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::is_immutable;
    use crate::digest::Digest;

    /// Names as the generators wrote them, most from build logs in public bug reports.
    const HASHED: &[(&str, &[&str])] = &[
        (
            "webpack, Vue CLI, Create React App, Parcel",
            &[
                "/app.3f2a9c1b.js",
                "/js/chunk-vendors.1a2b3c4d.js",
                "/img/logo.82b9c7a5.png",
                "/static/js/2.abcdef12.chunk.js",
                "/static/js/main.a1b2c3d4.chunk.js.map",
                "/vendors~main.abcdef12.js",
                "/fonts/fontawesome-webfont.674f50d2.eot",
                "/static/media/logo.6ce24c58023cc2f8fd88fe9d219db6c6.svg",
                "/assets/a1b2c3d4e5f6a7b8c9d0.png",
                "/src.a2b27638.css",
                "/editor.worker.b9d8707e.js",
                "/order.5705f637ff985b30e2bd.css",
                "/assets/js/17896441.3a5f0f8c.js",
                "/assets/files/guide-6ce24c58023cc2f8fd88fe9d219db6c6.pdf",
            ],
        ),
        (
            "Vite and Rollup, hexadecimal",
            &[
                "/assets/index-e5c068c3.js",
                "/assets/bn.js.387b47fa.js",
                "/assets/date-fns.ecfd739c.js",
                "/assets/inter-roman-cyrillic-ext.e75737ce.woff2",
                "/chunks/_layout-0a42b11c.js",
            ],
        ),
        (
            "Vite and Rollup",
            &[
                "/assets/index-DiwrgTda.js",
                "/assets/Pair-tQZXtc9v.css",
                "/assets/Device-CT6D6U-f.css",
                "/assets/Landing-DtVlV_J2.css",
                "/assets/index-Co5RB00a.css",
                "/assets/Home-KeWXtvrE.css",
                "/assets/index.page-CIh6CKsz.js",
                "/assets/ng-apexcharts-1Fef8gfS.js",
                "/assets/tag-editor.component-CapCJNzn.js",
                "/assets/card-CE7dudgW.js",
                "/assets/switch-81QBq1z-.js",
                "/assets/jetbrains-mono-greek-500-normal-JpySY46c.woff2",
                "/assets/mona-sans-vietnamese-600-normal-H15QO8_e.woff2",
            ],
        ),
        (
            "Angular",
            &[
                "/main.3b7c5b0a9f.js",
                "/main-es2015.9aaa072f8c4bafbb0741.js",
                "/polyfills.2acd84dcea45ba18d978.bundle.js",
                "/runtime.a9fc7548b14f6ea7.js",
                "/main-5YJ2K4QD.js",
                "/chunk-2QYF7RWA.js",
                "/chunk-GLOGC42D.js",
                "/polyfills-FFHMD2TL.js",
                "/polyfills-SCHOHYNV.js",
            ],
        ),
        (
            "esbuild and Remix",
            &[
                "/chunk-XYZ123AB.css",
                "/build/entry.client-E33ZOQLS.js",
                "/build/manifest-F7F35376.js",
                "/build/root-4UOYECCD.js",
                "/build/_shared/chunk-K4ZPYBDO.js",
            ],
        ),
        (
            "Next.js",
            &[
                "/_next/static/chunks/webpack-b6c94c729e6804bb.js",
                "/_next/static/chunks/35a5f01f-5c9989672264be1c.js",
                "/_next/static/chunks/1a2b3c4d5e6f7a8b.js",
                "/_next/static/css/94fdbc56eafa2039.css",
                "/_next/static/media/c9a5bc6a7c948fb0-s.p.woff2",
                "/_next/static/media/logo.1a2b3c4d.svg",
                "/_next/static/bP0v2rJk9-X8aLm3nQw1Z/_buildManifest.js",
            ],
        ),
        (
            "SvelteKit",
            &[
                "/_app/immutable/chunks/SvgIcon-6df7cede.js",
                "/_app/immutable/chunks/B0uPSoCV.js",
                "/_app/immutable/nodes/1.CuZ3JCs9.js",
                "/_app/immutable/chunks/CG-2t0qE.js",
                "/_app/immutable/chunks/p9yoipr1.js",
                "/_app/immutable/chunks/elixir.B7YTO__p.js",
                "/_app/immutable/chunks/QBNpYrSn.js",
                "/_app/immutable/entry/start.C8ByrBPh.js",
            ],
        ),
        (
            "Nuxt",
            &[
                "/_nuxt/entry.485fc497.js",
                "/_nuxt/Db3VFeJn.js",
                "/_nuxt/CT3ms_ti.js",
                "/_nuxt/BHL-i7SB.js",
                "/_nuxt/D8b_o09_.js",
                "/_nuxt/_post_.03c18e21.js",
            ],
        ),
        (
            "Astro",
            &[
                "/_astro/x.Bxk2aP9d.css",
                "/_astro/day-of-the-dead.gVZUpvCS.webp",
                "/_astro/day-of-the-dead.gVZUpvCS_Z1dxcc2.webp",
                "/_astro/hoisted.a1B2c3D4.js",
            ],
        ),
        (
            "VitePress",
            &[
                "/assets/guide_index.md.C8dKq1aW.lean.js",
                "/assets/chunks/framework.BQoYw4kE.js",
                "/assets/inter-roman-latin.Di8DUHzh.woff2",
            ],
        ),
        (
            "Gatsby",
            &[
                "/app-0a1b2c3d4e5f.js",
                "/component---src-templates-dnd-jsx-dcf7b4b69d7081e96b41.js",
                "/static/6ce24c58023cc2f8fd88fe9d219db6c6/ee604/photo.png",
            ],
        ),
        (
            "Hugo",
            &[
                "/main.min.908e25f4bf641868d8683022a5b62f54908e25f4bf641868d8683022a5b62f54.css",
                "/sunset_hu59e56ffff1bc1d8d122b1403d34e039f_90587_400x200_fill_q75_box_center.jpg",
                "/sunset_hu13877539345067391270.webp",
                "/sunset_hu_7a5a5b2c8f1e3d4b.webp",
            ],
        ),
        (
            "Sprockets, Phoenix, Django, Quarto, Trunk, .NET",
            &[
                "/assets/application-908e25f4bf641868d8683022a5b62f54.js",
                "/assets/app-908e25f4bf641868d8683022a5b62f54908e25f4bf641868d8683022a5b62f54.css",
                "/assets/application-1a2b3c4d.digested.js",
                "/static/base.55e7cbb9ba48.css",
                "/site_libs/bootstrap/bootstrap-6ce24c58023cc2f8fd88fe9d219db6c6.min.css",
                "/app-1a2b3c4d5e6f7a8b_bg.wasm",
                "/_framework/dotnet.native.8kx2f1l3ab.wasm",
            ],
        ),
        (
            "MkDocs Material",
            &[
                "/assets/stylesheets/main.6f8fc17f.min.css",
                "/assets/javascripts/bundle.83f73b43.min.js",
                "/assets/javascripts/workers/search.b8dbb3d2.min.js",
            ],
        ),
        (
            "rustdoc and mdBook",
            &[
                "/static.files/main-5013f961.js",
                "/static.files/FiraSans-Regular-0fe48ade.woff2",
                "/static.files/SourceSerif4-It-ca3b17ed.ttf.woff2",
                "/static.files/favicon-32x32-eab170b8.png",
                "/search.index/0001c2c9ad9b.js",
                "/book/searchindex-6a1da8cc.js",
                "/book/css/general-2459343d.css",
                "/book/mark-09e88c2c.min.js",
            ],
        ),
    ];

    const NOT_HASHED: &[(&str, &[&str])] = &[
        (
            "words",
            &[
                "/chunk-vendors.js",
                "/background-landscape.jpg",
                "/deadbeef.js",
                "/main-deadbeef.js",
                "/bundle-download.css",
                "/page-overview.js",
                "/icon-FACEBOOK.svg",
                "/icon-DropDown.svg",
                "/ui.TreeView.js",
                "/ext.DataGrid.css",
                "/a-Settings.js",
                "/lib.fallback.js",
                "/fonts/KaTeX_Main-BoldItalic.woff2",
                "/fonts/Inter-SemiBold.woff2",
                "/static.files/SourceSerif4-Semibold.woff2",
                "/highlight.js",
                "/theme-facade12.css",
            ],
        ),
        (
            "versions",
            &[
                "/bootstrap-4.6.2.css",
                "/jquery-3.7.1.min.js",
                "/three.r152.js",
                "/d3.v7.min.js",
                "/roboto-v30-latin-regular.woff2",
                "/open-sans-v17-all-charsets-300italic.woff2",
                "/app-v1.2.3-beta1.js",
                "/app-version2.js",
                "/lib-arm64v8a.wasm",
                "/crates1.95.0.js",
                "/x-win32x64.wasm",
                "/app-1.2.3-g1a2b3c.js",
            ],
        ),
        (
            "dates, moments, numbers, sizes",
            &[
                "/photo-2024-11-22.jpg",
                "/photo-20241122.jpg",
                "/backup-20241122123045.js",
                "/main-1732300000.js",
                "/main-1732300000123.js",
                "/scan-20241122a.png",
                "/a-12345678.css",
                "/image-1024x768.jpg",
                "/IMG_20200101_123456.jpg",
                "/DSC01234.jpg",
                "/x-DSC01234.jpg",
                "/favicon-32x32.png",
                "/fa-solid-900.woff2",
                "/cafe-cafe2024.png",
            ],
        ),
        (
            "identifiers",
            &[
                "/550e8400-e29b-41d4-a716-446655440000.png",
                "/a-550e8400-e29b-41d4-a716-4466554400ab.js",
                "/photo-1506744038136-46273834b3fb.jpg",
                "/image-507f1f77bcf86cd799439011.png",
                "/avatar/205e460b479e2e5b48aec07710c06d50.jpg",
                "/invoice-3f2a9c1b.pdf",
                "/507f1f77bcf86cd799439011.png",
                "/fonts/KFOmCnqEu92Fr1Mu4mxK.woff2",
            ],
        ),
        (
            "pages, feeds, data",
            &[
                "/",
                "/index.html",
                "/page.3f2a9c1b.html",
                "/feed.3f2a9c1b.xml",
                "/data-3f2a9c1b.json",
                "/notes-3f2a9c1b.txt",
                "/static.files/LICENSE-MIT-23f18e03.txt",
                "/app.3f2a9c1b",
                "/3f2a9c1b/",
                "/page-data/index/page-data.json",
            ],
        ),
        (
            "hashed directories, plain names",
            &[
                "/assets/3f2a9c1b/app.js",
                "/_next/static/chunks/polyfills.js",
                "/_astro/logo.svg",
                "/_nuxt/builds/latest.js",
                "/_app/version.js",
                "/_app/immutable/assets/favicon.png",
                "/_next/static/my-own-build-name-1/_buildManifest.js",
                "/static/photo.png",
                "/_nuxt/polyfill.js",
                "/x_nuxt/Db3VFeJn.js",
            ],
        ),
        (
            "too short, in the wrong place",
            &[
                "/app.3f2a9c1.js",
                "/3f2a9c1b.js",
                "/3f2a9c1b.app.js",
                "/app3f2a9c1b.js",
                "/app_3f2a9c1b.js",
                "/Db3VFeJn.js",
                "/-3f2a9c1.js",
            ],
        ),
    ];

    /// Hashes that look like something else. They cost a 304, and no more.
    const MISSED: &[(&str, &[&str])] = &[(
        "words and numbers by chance",
        &[
            "/chunks/spiral-up-36511758.js",
            "/styles-5INURTSO.css",
            "/a-dfead394.js",
        ],
    )];

    #[test]
    fn names_with_a_hash_are_immutable_and_others_are_not() {
        let digest = Digest::of(b"something else");
        let mut wrong = Vec::new();
        let mut names = 0;
        for (table, expected) in [(HASHED, true), (NOT_HASHED, false), (MISSED, false)] {
            for (group, paths) in table {
                for path in *paths {
                    names += 1;
                    if is_immutable(path, &digest) != expected {
                        wrong.push(format!("{group}: {path}"));
                    }
                }
            }
        }
        assert!(names >= 160, "{names}");
        assert_eq!(wrong, [""; 0]);
    }

    /// What the poems' style sheet has, and what anybody can make with sha256sum.
    #[test]
    fn the_contents_own_digest_is_proof_in_any_file() {
        let digest = Digest::of(b"chapbook");
        let hex = digest.hex();
        for path in [
            format!("/a/app.{}.js", &hex[..8]),
            format!("/{hex}"),
            format!("/page-{}.html", &hex[..20]),
            format!("/{}_data.json", &hex[..9]),
        ] {
            assert!(is_immutable(&path, &digest), "{path}");
        }
        for path in [
            format!("/page.{}.html", &hex[..7]),
            format!("/page.{}.html", &hex[1..12]),
            format!("/{}/page.html", &hex[..16]),
        ] {
            assert!(!is_immutable(&path, &digest), "{path}");
        }
    }

    #[test]
    fn no_name_is_too_strange() {
        let digest = Digest::of(b"");
        for path in [
            "",
            "/",
            "//",
            "/.js",
            "/-.js",
            "/..js",
            "/é-é.js",
            "/日本語日本語.js",
            "/a-ééééé.js",
            "/_hu.png",
            "/static",
            "/_astro/_.webp",
            "/.min.js",
            "/-s.p.woff2",
        ] {
            assert!(!is_immutable(path, &digest), "{path}");
        }
        assert!(!is_immutable(&"/a-b.".repeat(100_000), &digest));
    }
}

//! Whom TLS trusts: the web's roots, as Mozilla keeps them, compiled in; or, where
//! `SSL_CERT_FILE` names a file of certificates (as for OpenSSL and Cargo), those instead: a
//! registry of a company and a proxy that looks into TLS have a root of their own.

use std::fs::File;
use std::io::Read as _;

use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use crate::Lookup;
use crate::limits::CERTIFICATES_BYTES_MAX;

const VARIABLE: &str = "SSL_CERT_FILE";

/// The configuration of TLS.
///
/// # Errors
/// What is the matter with the file of certificates.
pub fn tls(env: Lookup<'_>) -> Result<TlsConfig, String> {
    let roots = match env(VARIABLE).filter(|path| !path.is_empty()) {
        None => RootCerts::WebPki,
        Some(path) => {
            let failed = |cause: String| format!("`{path}` of `{VARIABLE}`: {cause}");
            read(&path).map_err(failed)?
        }
    };
    Ok(TlsConfig::builder().root_certs(roots).build())
}

fn read(path: &str) -> Result<RootCerts, String> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(|e| e.to_string())?;
    let mut file = file.take(CERTIFICATES_BYTES_MAX + 1);
    file.read_to_end(&mut text).map_err(|e| e.to_string())?;
    if text.len() as u64 > CERTIFICATES_BYTES_MAX {
        return Err(format!("it is longer than {CERTIFICATES_BYTES_MAX} bytes"));
    }
    let mut roots = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(root) = item.map_err(|_| "it is not PEM")? {
            roots.push(root);
        }
    }
    if roots.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    Ok(RootCerts::from(roots))
}

#[cfg(test)]
mod tests {
    use super::tls;

    #[test]
    fn a_file_without_certificates_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("roots.pem");
        let path = path.to_str().unwrap();
        let env = |name: &str| (name == "SSL_CERT_FILE").then(|| path.to_owned());
        assert!(tls(&env).unwrap_err().contains("`SSL_CERT_FILE`: "));
        for (text, cause) in [
            ("", "no certificate"),
            ("-----BEGIN CERTIFICATE-----\n%", "PEM"),
        ] {
            std::fs::write(path, text).unwrap();
            let found = tls(&env).unwrap_err();
            assert!(found.contains(cause), "{text:?}: {found}");
        }
        assert!(tls(&|_| None).is_ok());
    }
}

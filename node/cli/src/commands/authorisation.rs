//! The subject's authorisation of a check: the reference as typed, and the digest of the scan, which is not sent.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use chengxin_schemas::authorisation::{AuthorisationReference, SubjectAuthorisation};
use chengxin_schemas::digest::{Sha256, Sha256Stream};

use crate::error::CliError;

/// Largest scan that is hashed, in bytes: some hundred colour pages. It also ends the reading of what has no end.
const SCAN_LIMIT: usize = 256 * 1024 * 1024;

/// What the check states.
pub(super) fn authorisation(
    reference: Option<AuthorisationReference>,
    scan: Option<&Path>,
) -> Result<Option<SubjectAuthorisation>, CliError> {
    let Some(reference) = reference else { return Ok(None) };
    let document = scan.map(|path| scan_digest(path, SCAN_LIMIT)).transpose()?;
    Ok(Some(SubjectAuthorisation { reference, document }))
}

fn scan_digest(path: &Path, limit: usize) -> Result<Sha256, CliError> {
    let failed = |source| CliError::file(path, source);
    let mut file = File::open(path).map_err(failed)?;
    let mut stream = Sha256Stream::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0_usize;
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        total = total.saturating_add(count);
        if total > limit {
            return Err(CliError::usage(
                "--authorisation-file",
                "larger than a scan may be",
                "超过扫描件的大小上限",
                &format!("give a scan of at most {limit} bytes"),
                &format!("扫描件不超过 {limit} 字节"),
            ));
        }
        stream.update(buffer.get(..count).unwrap_or_default());
    }
    if total == 0 {
        return Err(CliError::usage(
            "--authorisation-file",
            "the file is empty",
            "文件为空",
            "give the scan of the written authorisation",
            "请给出书面授权的扫描件",
        ));
    }
    Ok(stream.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_is_hashed_whole_within_the_limit() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("scan.pdf");
        let bytes = vec![7_u8; 100_000];
        std::fs::write(&path, &bytes).expect("file");
        assert_eq!(scan_digest(&path, bytes.len()).expect("digest"), Sha256::of(&bytes));
        assert!(scan_digest(&path, bytes.len() - 1).is_err(), "one byte over");
        assert!(scan_digest(folder.path(), 10).is_err(), "a folder");
        assert!(scan_digest(&folder.path().join("none"), 10).is_err());
        std::fs::write(&path, b"").expect("file");
        assert!(scan_digest(&path, 10).is_err(), "an empty file is no scan");
        assert_eq!(authorisation(None, None).expect("nothing"), None);
        let reference = || Some("授权书〔2026〕15号".parse().expect("reference"));
        let stated = authorisation(reference(), None).expect("stated").expect("stated");
        assert_eq!(stated.document, None);
    }
}

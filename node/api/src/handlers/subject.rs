//! Whom a request is about, as its caller names it.

use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::unified_code::CheckException;

use crate::failure::Failure;
use crate::gate::Caller;

/// A subject, and the caller's word for its code where that is needed.
pub(crate) type Named = (SubjectId, Option<CheckException>);

/// The subject as typed. With `accept`, the reason, the caller vouches for a code whose check is wrong.
pub(crate) fn subject_named(caller: &Caller, typed: &str, accept: Option<&str>) -> Result<Named, Failure> {
    let Some(reason) = accept else { return Ok((SubjectId::parse(typed)?, None)) };
    let accepted_by = caller.operation.account().to_string();
    let exception = CheckException { accepted_by, reason: reason.to_owned() };
    Ok((SubjectId::accept(typed, &exception)?, Some(exception)))
}

/// The same where the subject is left out to mean everybody.
pub(crate) fn subject_narrowed(
    caller: &Caller,
    typed: Option<&str>,
    accept: Option<&str>,
) -> Result<(Option<SubjectId>, Option<CheckException>), Failure> {
    match (typed, accept) {
        (Some(typed), accept) => {
            let (subject, exception) = subject_named(caller, typed, accept)?;
            Ok((Some(subject), exception))
        }
        (None, None) => Ok((None, None)),
        (None, Some(_)) => {
            Err(Failure::field("accept", "given without a subject", "未给出信用主体, 不能给出认可"))
        }
    }
}

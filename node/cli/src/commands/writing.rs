//! Commands that change something, or that put a question to other agencies.

use chengxin_api::bounded_file::text_read;
use chengxin_api::types::check::{CHECK_DEADLINE_LIMIT, CheckRequest, CheckResult};
use chengxin_api::types::federation::{
    Delegation, DelegationRequest, EnrolRequest, Enrolment, JoinToken, Removal, RemovalRequest, TokenRequest,
};
use chengxin_api::types::notice::{MeasureRequest, NoticeDocument, NoticeIssueRequest, NoticePreview};
use chengxin_api::types::operator::{OperatorAddRequest, OperatorDocument};
use chengxin_schemas::time::PeriodEnd;

use super::authorisation::authorisation;
use super::{Context, Ended, block_on};
use crate::arguments::{
    CheckArguments, DelegateArguments, EnrolArguments, NoticeIssueArguments, OperatorAddArguments,
    OperatorDisableArguments, RemoveArguments, TokenArguments,
};
use crate::error::CliError;
use crate::exit::Exit;
use crate::language::Language;
use crate::new_file::NewFile;
use crate::texts::{Key, fill, text};

/// Largest application file: a few keys and addresses.
const APPLICATION_LIMIT: u64 = 1 << 20;

impl Context<'_> {
    /// Asks every agency. The certificate is written before anything is shown: who has seen the result can prove it.
    pub(super) fn check(&mut self, arguments: CheckArguments) -> Ended {
        let deadline_ms = arguments.deadline.map(|span| span.milliseconds);
        if deadline_ms.is_some_and(|deadline| deadline > CHECK_DEADLINE_LIMIT * 1_000) {
            return Err(CliError::usage(
                "--deadline",
                "longer than a check may wait",
                "超过核查可等待的时间",
                &format!("give at most {CHECK_DEADLINE_LIMIT}s"),
                &format!("不超过 {CHECK_DEADLINE_LIMIT}s"),
            ));
        }
        let request = CheckRequest {
            subject: self.subject(arguments.subject)?,
            accept: arguments.accept,
            name: arguments.name,
            purpose: arguments.purpose,
            case_reference: arguments.reference,
            categories: arguments.categories,
            legal_basis: arguments.basis,
            authorisation: authorisation(arguments.authorisation, arguments.authorisation_file.as_deref())?,
            release: arguments.release,
            deadline_ms,
            certificate: arguments.certificate.is_some(),
        };
        let client = self.client()?;
        // Begun before anybody is asked: a check whose certificate cannot be kept would be logged at every agency for
        // nothing.
        let file = match &arguments.certificate {
            Some(path) => Some(NewFile::begin(path)?),
            None => None,
        };
        let mut result: CheckResult = block_on(client.document_post("/api/v1/checks", &request))?;
        // The file has the certificate; printing its evidence too would bury the result.
        let kept = match file {
            Some(file) => match result.certificate.take() {
                Some(certificate) => file.finish(certificate.to_string().as_bytes()),
                None => Err(absent("certificate")),
            },
            None => Ok(()),
        };
        // The result is in the logs already; a disk that filled up meanwhile does not take it from the person.
        self.print(&result)?;
        kept?;
        if let Some(path) = &arguments.certificate {
            self.hint(Key::CertificateWritten, &[&path.display().to_string()]);
        }
        Ok(if result.coverage.complete { Exit::Done } else { Exit::Partial })
    }

    /// Asks the node first what the notice would say, which refuses what it would refuse; then the person; then sends. Who is
    /// concerned is shown apart from the question.
    pub(super) fn notice_issue(&mut self, arguments: NoticeIssueArguments) -> Ended {
        let request = notice_request(&arguments)?;
        let client = self.client()?;
        if !self.settings.yes {
            let preview: NoticePreview = block_on(client.document_post("/api/v1/notices/preview", &request))?;
            self.hint(Key::NoticeSubject, &[&preview.subject_name, &preview.subject]);
            let question = notice_question(&preview, self.settings.language);
            self.console.confirm(self.settings, &question)?;
        }
        let issued: NoticeDocument = block_on(client.document_post("/api/v1/notices", &request))?;
        self.print(&issued)?;
        let follow = self.command(&format!("chengxin notice show {}", issued.summary.notice));
        self.hint(Key::NoticeFollow, &[&follow]);
        Ok(Exit::Done)
    }

    pub(super) fn operator_add(&mut self, arguments: OperatorAddArguments) -> Ended {
        let request = OperatorAddRequest {
            name: arguments.name,
            display_name: arguments.display_name,
            uid: arguments.uid,
            roles: arguments.roles,
        };
        let client = self.client()?;
        let added: OperatorDocument = block_on(client.document_post("/api/v1/operators", &request))?;
        self.printed(&added)
    }

    pub(super) fn operator_disable(&mut self, arguments: OperatorDisableArguments) -> Ended {
        let name = arguments.name;
        let question = fill(Key::DisableQuestion, self.settings.language, &[name.as_str()]);
        self.console.confirm(self.settings, &question)?;
        let client = self.client()?;
        let path = format!("/api/v1/operators/{name}/disable");
        let disabled: OperatorDocument = block_on(client.document_post(&path, &serde_json::json!({})))?;
        self.printed(&disabled)
    }

    pub(super) fn federation_token(&mut self, arguments: TokenArguments) -> Ended {
        let request = TokenRequest {
            agency: arguments.agency,
            name: arguments.name,
            region: arguments.region,
            functions: arguments.functions,
            valid_seconds: arguments.valid.seconds(),
            former_keys: arguments.former_keys,
        };
        let client = self.client()?;
        // Begun before the token is issued: issuing strikes out the body's earlier token, so a token that cannot be
        // kept would leave it with none.
        let file = match &arguments.token_file {
            Some(path) => Some(NewFile::begin(path)?),
            None => None,
        };
        let mut token: JoinToken = block_on(client.document_post("/api/v1/federation/tokens", &request))?;
        let mut kept = Ok(());
        if let Some(file) = file {
            let secret = token.token.take().ok_or_else(|| absent("token"))?;
            kept = file.finish(format!("{secret}\n").as_bytes());
            // The body's earlier token is struck out already: a disk that filled up meanwhile does not take the new one
            // from it.
            if kept.is_ok() {
                token.token_file = arguments.token_file.clone();
            } else {
                token.token = Some(secret);
            }
        }
        let address = token.addresses.first().cloned().unwrap_or_else(|| "ADDRESS".to_owned());
        self.print(&token)?;
        self.hint(Key::JoinHint, &[&address, &token.root_fingerprint]);
        kept?;
        Ok(Exit::Done)
    }

    pub(super) fn federation_remove(&mut self, arguments: &RemoveArguments) -> Ended {
        let agency = arguments.agency;
        let question = fill(Key::RemoveQuestion, self.settings.language, &[agency.as_str()]);
        self.console.confirm(self.settings, &question)?;
        let request = RemovalRequest { reason: arguments.reason.clone() };
        let client = self.client()?;
        let path = format!("/api/v1/federation/members/{agency}/removal");
        let removal: Removal = block_on(client.document_post(&path, &request))?;
        self.printed(&removal)
    }

    pub(super) fn federation_delegate(&mut self, arguments: &DelegateArguments) -> Ended {
        let path = format!("/api/v1/federation/members/{}/delegation", arguments.agency);
        let request = DelegationRequest { delegate: !arguments.withdraw };
        let delegation: Delegation = block_on(self.client()?.document_post(&path, &request))?;
        self.printed(&delegation)
    }

    pub(super) fn federation_enrol(&mut self, arguments: &EnrolArguments) -> Ended {
        let application = text_read(&arguments.application, APPLICATION_LIMIT)?;
        let request = EnrolRequest {
            application,
            fingerprint: arguments.fingerprint.clone(),
            former_keys: arguments.former_keys,
        };
        let client = self.client()?;
        let enrolment: Enrolment = block_on(client.document_post("/api/v1/federation/enrolments", &request))?;
        self.printed(&enrolment)
    }
}

/// A document of the node without the part that was asked for.
fn absent(field: &str) -> CliError {
    CliError::Protocol { reason: format!("no {field} in it") }
}

/// What is confirmed: each measure, its end and its basis, and a basis that nobody read in its source.
fn notice_question(preview: &NoticePreview, language: Language) -> String {
    let measures = preview.measures.iter().map(|measure| {
        let name = match language {
            Language::Zh => &measure.measure_name,
            Language::En => &measure.measure_name_en,
        };
        let until = match measure.until {
            PeriodEnd::LongTerm => text(Key::LongTerm, language).to_owned(),
            until @ PeriodEnd::On(_) => until.to_string(),
        };
        let basis = match measure.basis_verified {
            Some(true) => measure.legal_basis.to_string(),
            Some(false) => format!("{} [{}]", measure.legal_basis, text(Key::Unverified, language)),
            None => format!("{} [{}]", measure.legal_basis, text(Key::BasisNamed, language)),
        };
        fill(Key::NoticeMeasureAsked, language, &[name, measure.measure.as_str(), &until, &basis])
    });
    let measures = measures.collect::<Vec<_>>().join("; ");
    let (record, recipients) = (preview.record.to_string(), preview.recipients.to_string());
    fill(Key::NoticeQuestion, language, &[&record, &measures, &recipients])
}

/// Puts measures, bases and ends together: none, one for all, or one for each.
fn notice_request(arguments: &NoticeIssueArguments) -> Result<NoticeIssueRequest, CliError> {
    let count = arguments.measures.len();
    for (flag, given) in [("--basis", arguments.bases.len()), ("--until", arguments.until.len())] {
        if given > 1 && given != count {
            return Err(CliError::usage(
                flag,
                &format!("given {given} times for {count} measures"),
                &format!("{count} 项措施却给了 {given} 次"),
                "give it once for all measures or once for each",
                "给一次用于全部措施, 或每项措施各给一次",
            ));
        }
    }
    fn nth<T>(list: &[T], place: usize) -> Option<&T> {
        if list.len() == 1 { list.first() } else { list.get(place) }
    }
    let measures = arguments
        .measures
        .iter()
        .enumerate()
        .map(|(place, measure)| MeasureRequest {
            measure: measure.clone(),
            legal_basis: nth(&arguments.bases, place).cloned(),
            from: arguments.from,
            until: nth(&arguments.until, place).copied(),
        })
        .collect();
    Ok(NoticeIssueRequest { record: arguments.record, measures })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_take_one_basis_for_all_or_one_each() {
        let arguments = |bases: &[&str]| NoticeIssueArguments {
            record: "r-00000000000000000000000000000001".parse().expect("record"),
            measures: vec!["a".parse().expect("measure"), "b".parse().expect("measure")],
            bases: bases.iter().map(|basis| basis.parse().expect("basis")).collect(),
            until: vec!["long-term".parse().expect("end")],
            from: None,
        };
        let request = notice_request(&arguments(&["甲法第一条"])).expect("one for all");
        assert_eq!(request.measures[1].legal_basis.as_ref().map(|basis| basis.as_str()), Some("甲法第一条"));
        let request = notice_request(&arguments(&["甲法第一条", "乙法第二条"])).expect("one each");
        assert_eq!(request.measures[1].legal_basis.as_ref().map(|basis| basis.as_str()), Some("乙法第二条"));
        let request = notice_request(&arguments(&[])).expect("from the list");
        assert_eq!(request.measures[1].legal_basis, None);
        assert!(notice_request(&arguments(&["甲法", "乙法", "丙法"])).is_err());
    }
}

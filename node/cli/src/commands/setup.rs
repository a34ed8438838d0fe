//! Commands that need no running node: the host does them, or they only concern the command line itself.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use chengxin_api::bounded_file::text_read;

use super::{Context, Ended, is_workbook};
use crate::arguments::{
    CertificateVerifyArguments, ConfigValidateArguments, FoundArguments, InitArguments, JoinArguments,
    RecordTemplateArguments,
};
use crate::error::CliError;
use crate::exit::Exit;
use crate::host::{JoinSecret, TemplateForm};
use crate::new_file::NewFile;
use crate::texts::{Key, fill};

/// Longest token file: a token is one line of less than a hundred characters; the rest is for what an editor adds.
const TOKEN_LIMIT: u64 = 4_096;

impl Context<'_> {
    pub(super) fn init(&mut self, arguments: &InitArguments) -> Ended {
        let outcome = self.host.init(self.settings, arguments)?;
        self.printed(&outcome)
    }

    /// Founding cannot be undone: whoever joined trusts these keys.
    pub(super) fn federation_found(&mut self, arguments: &FoundArguments) -> Ended {
        if arguments.threshold > arguments.keys {
            return Err(CliError::usage(
                "--threshold",
                "more signatures than there are keys",
                "所需签名数多于密钥数",
                "give a number not above --keys",
                "不大于 --keys 的数",
            ));
        }
        let question = fill(Key::FoundQuestion, self.settings.language, &[arguments.name.as_str()]);
        self.console.confirm(self.settings, &question)?;
        let founded = self.host.federation_found(self.settings, arguments)?;
        self.printed(&founded)
    }

    /// A wrong answer lets a wrong clock sign: the question shows what the clock says.
    pub(super) fn federation_confirm_clock(&mut self) -> Ended {
        let clock = self.host.clock_now().0.to_shanghai();
        let question = fill(Key::ClockQuestion, self.settings.language, &[&clock]);
        self.console.confirm(self.settings, &question)?;
        let confirmed = self.host.federation_confirm_clock(self.settings)?;
        self.printed(&confirmed)
    }

    pub(super) fn join(&mut self, arguments: &JoinArguments) -> Ended {
        if Path::new(&arguments.address).is_dir() {
            // Metadata carried on a medium: the member is entered by hand, so there is no token to show.
            let joined = self.host.join_by_hand(self.settings, arguments)?;
            return self.printed(&joined);
        }
        let named = arguments.token_file.clone();
        let token = match named.or_else(|| self.settings.environment.path("CHENGXIN_TOKEN_FILE")) {
            Some(file) => {
                private_check(&file)?;
                Some(JoinSecret::new(&text_read(&file, TOKEN_LIMIT)?))
            }
            None => None,
        };
        let joined = self.host.join(self.settings, arguments, token.as_ref())?;
        self.printed(&joined)
    }

    pub(super) fn certificate_verify(&mut self, arguments: &CertificateVerifyArguments) -> Ended {
        let verification = self.host.certificate_verify(self.settings, arguments)?;
        self.print(&verification)?;
        Ok(if verification.holds { Exit::Done } else { Exit::Integrity })
    }

    pub(super) fn config_default(&mut self) -> Ended {
        let text = self.host.config_default(self.settings)?;
        self.console.data(text.as_bytes())?;
        Ok(Exit::Done)
    }

    pub(super) fn config_validate(&mut self, arguments: &ConfigValidateArguments) -> Ended {
        let validation = self.host.config_validate(self.settings, arguments.file.as_deref())?;
        self.print(&validation)?;
        Ok(if validation.faults.is_empty() { Exit::Done } else { Exit::Failed })
    }

    pub(super) fn record_template(&mut self, arguments: &RecordTemplateArguments) -> Ended {
        let to_stdout = arguments.file == Path::new("-");
        let form = match (to_stdout, if to_stdout { Ok(true) } else { is_workbook(&arguments.file) }?) {
            (_, true) => TemplateForm::Xlsx,
            (_, false) => TemplateForm::Csv,
        };
        let bytes = self.host.record_template(arguments.record_type, form)?;
        if to_stdout {
            self.console.data(&bytes)?;
        } else {
            NewFile::begin(&arguments.file)?.finish(&bytes)?;
            self.hint(Key::FileWritten, &[&arguments.file.display().to_string()]);
        }
        Ok(Exit::Done)
    }

    pub(super) fn completion(&mut self, shell: clap_complete::Shell) -> Ended {
        let mut script = Vec::new();
        clap_complete::generate(
            shell,
            &mut crate::help::command(self.settings.language),
            "chengxin",
            &mut script,
        );
        self.console.data(&script)?;
        Ok(Exit::Done)
    }

    /// One page per command, as `man` looks for them: `chengxin-record-import.1`.
    pub(super) fn man(&mut self, folder: &Path) -> Ended {
        std::fs::create_dir_all(folder).map_err(|source| CliError::file(folder, source))?;
        for (name, page) in crate::help::manual_pages(self.settings.language).map_err(CliError::Output)? {
            let path = folder.join(name);
            std::fs::File::create(&path)
                .and_then(|mut file| file.write_all(&page))
                .map_err(|source| CliError::file(&path, source))?;
        }
        self.hint(Key::FileWritten, &[&folder.display().to_string()]);
        Ok(Exit::Done)
    }
}

/// Refuses a secret that other users of the machine can read: whoever did so first would join in the body's place.
fn private_check(file: &Path) -> Result<(), CliError> {
    let metadata = std::fs::metadata(file).map_err(|source| CliError::file(file, source))?;
    if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        let path = file.display();
        return Err(CliError::usage(
            "--token-file",
            &format!("others can read {path}"),
            &format!("其他用户可以读取 {path}"),
            &format!("chmod 600 {path}; if others may have read it, ask the coordinator for a new token"),
            &format!("执行 chmod 600 {path}; 如可能已被他人读取, 请向统筹员索取新令牌"),
        ));
    }
    Ok(())
}

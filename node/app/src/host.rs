//! What the binary itself does for the command line: setting up, serving, verifying offline.

use std::path::{Path, PathBuf};

use chengxin_api::chinese;
use chengxin_api::types::audit::AuditVerification;
use chengxin_api::types::config::Config as ShownConfig;
use chengxin_api::types::problem::Problem;
use chengxin_api::types::time::Moment;
use chengxin_cli::arguments::{
    CertificateVerifyArguments, DemoArguments, FoundArguments, InitArguments, JoinArguments,
};
use chengxin_cli::console::Console;
use chengxin_cli::environment::Settings;
use chengxin_cli::error::CliError;
use chengxin_cli::exit::Exit;
use chengxin_cli::host::{
    CertificateVerification, ClockConfirmation, ConfigFault, ConfigValidation, EntryDifference,
    FederationFounded, FetchedAgain, HostCommands, InitOutcome, JoinSecret, Joined, MadeAccount,
    TemplateForm, WrittenFile,
};
use chengxin_cli::shell::path_word;
use chengxin_exchange::operator::Separation;
use chengxin_network::PeerAddress;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::time::Clock as _;

use crate::clock::SystemClock;
use crate::config::{Config, Layers, absolute, default_file};
use crate::error::AppError;
use crate::home::Home;
use crate::identity::{IdentitySchema, NodeIdentity};
use crate::join;
use crate::setup::{self, FirstAccount, InitPlan};

/// The binary.
pub(crate) struct Host;

impl HostCommands for Host {
    fn socket_path(&self, settings: &Settings) -> Result<PathBuf, CliError> {
        if let Some(socket) = &settings.socket {
            return Ok(socket.clone());
        }
        Ok(config_of(settings)?.socket)
    }

    fn init(&self, settings: &Settings, arguments: &InitArguments) -> Result<InitOutcome, CliError> {
        let mut plan = init_plan(settings, arguments)?;
        let agency = plan.identity.agency;
        let accounts = plan
            .accounts
            .iter()
            .map(|account| MadeAccount {
                name: account.name.clone(),
                uid: account.user_id,
                roles: account.roles.clone(),
            })
            .collect();
        let home = plan.home.clone();
        if arguments.dry_run {
            setup::init_check(&plan).map_err(told)?;
        } else {
            setup::init(&mut plan).map_err(told)?;
        }
        let place = path_word(&home);
        Ok(InitOutcome {
            schema: Default::default(),
            dry_run: arguments.dry_run,
            agency,
            files: init_files(&Home::new(&home), &plan.recovery_key),
            accounts,
            next: vec![
                format!(
                    "chengxin --home {place} join <MULTIADDR> --fingerprint <FINGERPRINT> --token-file <FILE>"
                ),
                format!("chengxin --home {place} federation found --name <NAME> --keys-dir <DIR>"),
                format!("chengxin --home {place} serve"),
            ],
            home,
        })
    }

    fn federation_found(
        &self,
        settings: &Settings,
        arguments: &FoundArguments,
    ) -> Result<FederationFounded, CliError> {
        let home = Home::new(config_of(settings)?.home);
        let outcome = runtime()?
            .block_on(setup::found(
                &home,
                arguments.name.clone(),
                arguments.keys,
                arguments.threshold,
                &arguments.keys_dir,
            ))
            .map_err(told)?;
        let place = place(settings, &home);
        Ok(FederationFounded {
            schema: Default::default(),
            federation: arguments.name.clone(),
            root_fingerprint: outcome.fingerprint.to_string(),
            threshold: arguments.threshold,
            files: outcome
                .root_key_files
                .into_iter()
                .map(|path| {
                    written(
                        path,
                        "根密钥: 交一位保管人, 离线存放, 然后从本机删除",
                        "root key: give it to one holder, keep it offline, then remove it from this machine",
                    )
                })
                .collect(),
            expires_at: Moment::from(outcome.expires),
            next: vec![
                format!("chengxin{place} serve"),
                format!(
                    "chengxin{place} federation token <AGENCY> --name <NAME> --region <CODE> --token-file <FILE>"
                ),
            ],
        })
    }

    fn clock_now(&self) -> Moment {
        Moment::from(SystemClock.now())
    }

    fn federation_confirm_clock(&self, settings: &Settings) -> Result<ClockConfirmation, CliError> {
        let home = Home::new(config_of(settings)?.home);
        let (clock, before) = runtime()?.block_on(setup::clock_confirm(&home)).map_err(told)?;
        let place = place(settings, &home);
        Ok(ClockConfirmation {
            schema: Default::default(),
            clock: Moment::from(clock),
            signed_before: before.map(Moment::from),
            next: vec![format!("chengxin{place} serve")],
        })
    }

    fn join(
        &self,
        settings: &Settings,
        arguments: &JoinArguments,
        token: Option<&JoinSecret>,
    ) -> Result<Joined, CliError> {
        let home = Home::new(config_of(settings)?.home);
        let is_member = home.fingerprint_read().map_err(told)?.is_some();
        if token.is_none() && !is_member {
            return Err(CliError::usage(
                "--token-file",
                "the one-time token is needed",
                "需要一次性令牌",
                "save the token that the coordinator gave you into a file and name it",
                "把统筹员给的令牌存为文件并指明",
            ));
        }
        let address: PeerAddress = arguments
            .address
            .parse()
            .map_err(|error: chengxin_network::NetworkError| told(AppError::from(error)))?;
        let fingerprint = arguments
            .fingerprint
            .parse()
            .map_err(|error: chengxin_trust::TrustError| told(AppError::from(error)))?;
        let outcome = runtime()?.block_on(async {
            match token {
                Some(token) => join::join(&home, &address, fingerprint, token.expose()).await,
                None => join::join_again(&home, &address, fingerprint).await,
            }
        });
        Ok(joined(settings, &home, outcome.map_err(told)?))
    }

    fn join_by_hand(&self, settings: &Settings, arguments: &JoinArguments) -> Result<Joined, CliError> {
        let home = Home::new(config_of(settings)?.home);
        let fingerprint = arguments
            .fingerprint
            .parse()
            .map_err(|error: chengxin_trust::TrustError| told(AppError::from(error)))?;
        let folder = Path::new(&arguments.address);
        let outcome = runtime()?.block_on(join::join_by_hand(&home, folder, fingerprint)).map_err(told)?;
        Ok(joined(settings, &home, outcome))
    }

    fn serve(&self, settings: &Settings, _console: &mut Console) -> Result<Exit, CliError> {
        let layers = Layers::load(settings, None);
        let shown = layers.show();
        let config = layers.parse().map_err(faults_told)?;
        crate::serve::run(config, shown, settings.verbose).map_err(told)?;
        Ok(Exit::Done)
    }

    fn demo(
        &self,
        settings: &Settings,
        arguments: &DemoArguments,
        console: &mut Console,
    ) -> Result<Exit, CliError> {
        crate::demo::run(settings, arguments, console)
    }

    fn certificate_verify(
        &self,
        settings: &Settings,
        arguments: &CertificateVerifyArguments,
    ) -> Result<CertificateVerification, CliError> {
        crate::offline::certificate_verify(settings, arguments)
    }

    fn audit_verify_offline(
        &self,
        settings: &Settings,
        folder: &Path,
    ) -> Result<AuditVerification, CliError> {
        crate::offline::audit_verify(settings, folder)
    }

    fn config_show(&self, settings: &Settings) -> Result<ShownConfig, CliError> {
        Ok(Layers::load(settings, None).show())
    }

    fn config_default(&self, _settings: &Settings) -> Result<String, CliError> {
        Ok(default_file())
    }

    fn config_validate(
        &self,
        settings: &Settings,
        file: Option<&Path>,
    ) -> Result<ConfigValidation, CliError> {
        let layers = Layers::load(settings, file);
        let files = layers.files.clone();
        let faults = layers.parse().err().unwrap_or_default();
        Ok(ConfigValidation { schema: Default::default(), files, faults })
    }

    fn record_template(&self, record_type: RecordType, form: TemplateForm) -> Result<Vec<u8>, CliError> {
        let mut bytes = Vec::new();
        match form {
            TemplateForm::Xlsx => chengxin_import::template::template_xlsx_write(record_type, &mut bytes),
            TemplateForm::Csv => chengxin_import::template::template_csv_write(record_type, &mut bytes),
        }
        .map_err(|error| {
            CliError::problem(Problem::new(error.code(), error.to_string(), error.message_zh()))
        })?;
        Ok(bytes)
    }
}

fn joined(settings: &Settings, home: &Home, outcome: join::JoinOutcome) -> Joined {
    let differences = outcome.entry.map(|entry| differences(&outcome.identity, &entry)).unwrap_or_default();
    Joined {
        schema: Default::default(),
        federation: outcome.federation,
        root_fingerprint: outcome.fingerprint.to_string(),
        agency: outcome.identity.agency,
        directory_version: outcome.directory_version,
        members: outcome.members,
        differences,
        again: outcome.again.map(|again| FetchedAgain {
            signed_at: again.signed_at.map(Moment::from),
            newest_seen: again.is_newest_seen,
            damaged: again.damaged,
        }),
        next: vec![format!("chengxin{} serve", place(settings, home))],
    }
}

/// The flags that lead to the node again: those that were typed, else its home.
fn place(settings: &Settings, home: &Home) -> String {
    match settings.flags.place.as_str() {
        "" => format!(" --home {}", path_word(home.path())),
        typed => typed.to_owned(),
    }
}

/// Where the coordinator entered the body otherwise than `init` was told. The addresses and keys are the node's own.
fn differences(own: &NodeIdentity, entry: &DirectoryEntry) -> Vec<EntryDifference> {
    let functions = |codes: &[FunctionCode]| {
        let mut codes: Vec<_> = codes.iter().map(FunctionCode::as_str).collect();
        codes.sort_unstable();
        codes.join(", ")
    };
    [
        ("name", own.name.clone(), entry.name.clone()),
        ("region", own.region.to_string(), entry.region.to_string()),
        ("functions", functions(&own.functions), functions(&entry.functions)),
    ]
    .into_iter()
    .filter(|(_, here, entered)| here != entered)
    .map(|(field, here, entered)| EntryDifference { field: field.to_owned(), here, entered })
    .collect()
}

/// The configuration that the settings select.
pub(crate) fn config_of(settings: &Settings) -> Result<Config, CliError> {
    Layers::load(settings, None).parse().map_err(faults_told)
}

/// A runtime for one command.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| told(AppError::System { what: "the runtime cannot be started", source }))
}

/// An error of the program as the command line tells it.
pub(crate) fn told(error: AppError) -> CliError {
    CliError::problem(error.problem())
}

/// A problem that has no error of its own.
pub(crate) fn problem(code: ErrorCode, detail: &str) -> CliError {
    CliError::problem(Problem::new(code, detail, chinese::message_or_same(detail)))
}

/// The key with its place; the place alone where it is about a file as a whole.
fn fault_place(fault: &ConfigFault) -> String {
    match fault.key.as_str() {
        "" => fault.place.clone(),
        key => format!("{key} ({})", fault.place),
    }
}

fn faults_told(faults: Vec<ConfigFault>) -> CliError {
    let first = faults.into_iter().next().unwrap_or(ConfigFault {
        key: String::new(),
        place: String::new(),
        detail_zh: "配置无效".to_owned(),
        detail_en: "the configuration is not valid".to_owned(),
    });
    let place = fault_place(&first);
    CliError::usage(
        &place,
        &first.detail_en,
        &first.detail_zh,
        "see chengxin config validate for all faults",
        "用 chengxin config validate 查看全部问题",
    )
}

fn init_plan(settings: &Settings, arguments: &InitArguments) -> Result<InitPlan, CliError> {
    let home = match &settings.home {
        Some(home) => absolute(home.clone()),
        None => config_of(settings)?.home,
    };
    let advertise =
        if arguments.advertise.is_empty() { arguments.listen.clone() } else { arguments.advertise.clone() };
    for address in &arguments.listen {
        address.parse::<PeerAddress>().map_err(|error| told(AppError::from(error)))?;
    }
    advertise_check(&advertise)?;
    if arguments.accounts.is_empty() {
        return Err(CliError::usage(
            "--account",
            "no account is given, so nobody could use the node",
            "没有账户, 谁也无法使用节点",
            "give at least --account NAME=security_administrator, who adds the others",
            "至少给出 --account NAME=security_administrator, 由其添加其他账户",
        ));
    }
    let separation = if arguments.trial { Separation::Trial } else { Separation::Enforced };
    let accounts: Vec<_> = arguments
        .accounts
        .iter()
        .map(|account| {
            let user_id = account.uid.map_or_else(own_user, Ok)?;
            Ok(FirstAccount { name: account.name.clone(), user_id, roles: account.roles.clone() })
        })
        .collect::<Result<_, CliError>>()?;
    accounts_check(&accounts, separation)?;
    let recovery_key = match &arguments.recovery_key {
        Some(path) => path.clone(),
        None => {
            let mut path = home.as_os_str().to_owned();
            path.push(".recovery-key");
            PathBuf::from(path)
        }
    };
    Ok(InitPlan {
        config: init_config(&home, arguments, separation),
        identity: NodeIdentity {
            schema: IdentitySchema::V1,
            agency: arguments.agency,
            name: arguments.name.clone(),
            region: arguments.region,
            functions: arguments.functions.clone(),
            advertise,
            recovery_recipient: String::new(),
        },
        home,
        accounts,
        recovery_key,
    })
}

/// The addresses go into the signed directory, where every member reads how to reach this node.
fn advertise_check(advertise: &[String]) -> Result<(), CliError> {
    let refuse = |en: &str, zh: &str| {
        Err(CliError::usage(
            "--advertise",
            en,
            zh,
            "give the address at which other members reach the node, such as /ip4/10.0.0.5/tcp/7400 or \
             /dns4/node.example/udp/7400/quic-v1",
            "给出其他成员可到达本节点的地址, 例如 /ip4/10.0.0.5/tcp/7400 或 /dns4/node.example/udp/7400/quic-v1",
        ))
    };
    if advertise.is_empty() {
        return refuse(
            "without --listen or --advertise no member can reach the node",
            "没有 --listen 或 --advertise, 其他成员无法到达本节点",
        );
    }
    for text in advertise {
        let address = text.parse::<PeerAddress>().map_err(|error| told(AppError::from(error)))?;
        if !address.is_dialable() {
            return refuse(
                &format!("{text} is for listening only, nobody can dial it"),
                &format!("{text} 只能用于监听, 无法拨入"),
            );
        }
    }
    Ok(())
}

/// The same separation that the node will enforce, before anything is written.
fn accounts_check(accounts: &[FirstAccount], separation: Separation) -> Result<(), CliError> {
    for (place, account) in accounts.iter().enumerate() {
        if accounts.iter().take(place).any(|earlier| earlier.name == account.name) {
            return Err(CliError::usage(
                "--account",
                &format!("account {} is given twice", account.name),
                &format!("账户 {} 给出了两次", account.name),
                "give all roles of an account at once: NAME=ROLE,ROLE",
                "一个账户的全部角色一次给出: 账户名=角色,角色",
            ));
        }
    }
    if separation == Separation::Trial {
        return Ok(());
    }
    for account in accounts {
        let mut held: Vec<_> = accounts
            .iter()
            .filter(|other| other.user_id == account.user_id)
            .flat_map(|other| other.roles.iter().copied())
            .collect();
        held.sort_unstable();
        held.dedup();
        if chengxin_schemas::operator::Role::check_separation(&held).is_err() {
            return Err(CliError::usage(
                "--account",
                "one operating-system user would hold roles that must be different people",
                "同一操作系统用户将兼任必须分开的角色 (三员分立)",
                "give NAME@UID=ROLE with different users, or --trial on a machine for trying out",
                "用 NAME@UID=ROLE 指定不同用户, 或在试用机上加 --trial",
            ));
        }
    }
    Ok(())
}

fn init_config(home: &Path, arguments: &InitArguments, separation: Separation) -> String {
    let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut text = String::from("# chengxin; all keys: chengxin config default\n");
    text.push_str(&format!("home = {}\n", quote(&home.display().to_string())));
    if !arguments.listen.is_empty() {
        let listen: Vec<_> = arguments.listen.iter().map(|address| quote(address)).collect();
        text.push_str(&format!("\n[network]\nlisten = [{}]\n", listen.join(", ")));
    }
    if separation == Separation::Trial {
        text.push_str("\n[operators]\nseparation = \"trial\"\n");
    }
    text
}

fn init_files(home: &Home, recovery: &Path) -> Vec<WrittenFile> {
    vec![
        written(home.config(), "配置", "configuration"),
        written(home.identity(), "节点身份", "who the node is"),
        written(home.keys(), "密钥, 仅属主可读", "keys, readable by their owner only"),
        written(home.first_accounts(), "首次启动时建立的账户", "accounts made at the first start"),
        written(home.store(), "存储", "store"),
        written(home.audit(), "审计日志", "audit log"),
        written(
            recovery.to_owned(),
            "离线恢复密钥: 移到保险柜, 不留在本机",
            "offline recovery key: move it to a safe, do not leave it here",
        ),
    ]
}

fn written(path: PathBuf, zh: &str, en: &str) -> WrittenFile {
    WrittenFile { path, purpose_zh: zh.to_owned(), purpose_en: en.to_owned() }
}

/// The operating-system user of this process: the owner of its entry in /proc. Never guessed: the accounts would be
/// another user's.
fn own_user() -> Result<u32, CliError> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").map(|metadata| metadata.uid()).map_err(|_| {
        CliError::usage(
            "--account",
            "the user of this process is not known, because /proc cannot be read",
            "无法读取 /proc, 不知本进程的用户",
            "give the user with each account: NAME@UID=ROLE",
            "每个账户都写明用户: NAME@UID=ROLE",
        )
    })
}

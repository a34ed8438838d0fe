//! Texts that no person reads as an error or a message, each with the reason.

/// The reason, the file, the texts.
pub(super) const UNTOLD: &[(&str, &str, &[&str])] = &[
    ("TOML", "node/app/src/config.rs", &["value = {}"]),
    (
        "TOML",
        "node/app/src/host.rs",
        &[
            "# chengxin; all keys: chengxin config default\n",
            "home = {}\n",
            "\n[network]\nlisten = [{}]\n",
            "\n[operators]\nseparation = \"trial\"\n",
        ],
    ),
    (
        "a command to type",
        "node/app/src/host.rs",
        &[
            "chengxin --home {} join <MULTIADDR> --fingerprint <FINGERPRINT> --token-file <FILE>",
            "chengxin --home {} federation found --name <NAME> --keys-dir <DIR>",
            "chengxin --home {} serve",
            "chengxin --home {} federation token <AGENCY> --name <NAME> --region <CODE> --token-file <FILE>",
        ],
    ),
    (
        "a line of a signed or written format",
        "node/audit-log/src/cosignature.rs",
        &["cosignature/v1\ntime {}\n{}"],
    ),
    (
        "a line of a signed or written format",
        "node/audit-log/src/proof.rs",
        &["{}index {}\n", "extra ", "index "],
    ),
    ("a piece of a text that the tables hold whole", "node/audit-log/src/entry.rs", &["use one of:"]),
    ("a piece of a text that the tables hold whole", "node/exchange/src/error.rs", &[" or "]),
    ("a piece of a text that the tables hold whole", "policy/src/error.rs", &[" line {}"]),
    (
        "a piece of a text that the tables hold whole",
        "policy/src/request.rs",
        &["use one of: ask answer read receive-notice"],
    ),
    ("a piece of a text that the tables hold whole", "schemas/src/category.rs", &["use one of:"]),
    (
        "a piece of a text that the tables hold whole",
        "schemas/src/federation.rs",
        &["use lower-case letters, digits and hyphens, beginning with a letter, at most ", " characters"],
    ),
    (
        "a piece of a text that the tables hold whole",
        "schemas/src/identity.rs",
        &["it reads ", " and 32 lower-case hexadecimal digits"],
    ),
    ("describes a JSON Schema", "schemas/src/agency.rs", &["unified social credit code of a public body"]),
    ("describes a JSON Schema", "schemas/src/digest.rs", &["SHA-256 digest"]),
    ("describes a JSON Schema", "schemas/src/identity.rs", &["128-bit identifier", "case or project number"]),
    ("describes a JSON Schema", "schemas/src/key.rs", &["JWK thumbprint, RFC 7638"]),
    ("describes a JSON Schema", "schemas/src/money.rs", &["amount in yuan with two decimals"]),
    ("describes a JSON Schema", "schemas/src/purpose.rs", &["citation of a legal instrument"]),
    ("describes a JSON Schema", "schemas/src/region.rs", &["division code, GB/T 2260"]),
    ("describes a JSON Schema", "schemas/src/resident_id.rs", &["resident identity number, GB 11643-1999"]),
    ("describes a JSON Schema", "schemas/src/subject.rs", &["keyed hash of a subject identifier"]),
    (
        "describes a JSON Schema",
        "schemas/src/time.rs",
        &["last day of a period, or long-term", "calendar date"],
    ),
    (
        "describes a JSON Schema",
        "schemas/src/unified_code.rs",
        &["unified social credit code, GB 32100-2015"],
    ),
    ("for `Debug`", "node/network/src/key.rs", &["TransportKey({}, secret)"]),
    ("for `Debug`", "node/trust/src/key_file.rs", &["KeyFile({}, {})"]),
    ("for `Debug`", "policy/src/authoriser.rs", &["Authoriser({}, {} profiles)"]),
    ("for `Debug`", "policy/src/bundle.rs", &["Bundle({}, {})"]),
    ("for `Debug`", "schemas/src/record.rs", &["RecordFields({}, {})"]),
    ("for `Debug`", "schemas/src/sd_jwt.rs", &["VerifiedRecord({}, {})"]),
    (
        "names a task in the journal",
        "node/app/src/background.rs",
        &[
            "refreshing the directory",
            "delivering notices",
            "tending the federation",
            "a task that panicked",
            "all tasks",
        ],
    ),
    ("recognises a word of the engine", "node/store/src/sled_store/mod.rs", &["could not acquire lock"]),
    (
        "stands beside its Chinese",
        "node/app/src/config.rs",
        &[
            "folder of the node's data: keys, store, audit log, federation metadata",
            "local socket; empty means <home>/run/chengxin.sock",
            "[\"/ip4/0.0.0.0/udp/7400/quic-v1\", \"/ip4/0.0.0.0/tcp/7400\"]",
            "addresses to listen on for other members",
            "addresses a coordinator's node listens on for new members while tokens are outstanding",
            "separation of administrators: enforced per operating-system user, or trial for one machine",
            "how often the member directory is compared with other members, in seconds",
            "cache of the embedded store, in MiB",
            "form of the running log on standard error: text or json",
            "level of the running log: error, warn, info, debug",
            "# chengxin 配置 / configuration. 未知的键会被拒绝 / unknown keys are refused.\n",
        ],
    ),
    ("stands beside its Chinese", "node/app/src/host.rs", &["the configuration is not valid"]),
];

/// Files and folders that are left out whole.
pub(super) const LEFT_OUT: &[(&str, &str)] = &[
    ("node/app/src/demo/", "tells its story in both languages itself"),
    ("policy/src/table.rs", "writes the decision table, a file in English for the repository"),
    ("schemas/src/schema_files.rs", "writes the JSON Schemas, in English for programmers"),
];

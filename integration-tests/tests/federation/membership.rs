//! Joining with a wrong fingerprint or token is refused and harms nothing; a member that was down learns of the new one.

use chengxin_schemas::digest::Sha256;

use crate::stage::{BODIES, Body, COORDINATOR, FINANCE, MARKET, Stage};

const SIXTH: Body = ("sixth", "11150000DEM000065F", "示例自治区第六厅", "finance");

#[test]
fn a_wrong_join_is_refused_and_the_right_one_still_works() {
    let mut stage = Stage::federation();
    stage.kill(FINANCE);
    stage.init(SIXTH);
    let fingerprint = stage.fingerprint();
    let foreign = stage.token(FINANCE);
    let token = stage.token(SIXTH);
    let strange = format!("sha256:{}", "ab".repeat(32));
    let mut mistyped = token.clone().into_bytes();
    let middle = mistyped.len() / 2;
    mistyped[middle] = if mistyped[middle] == b'q' { b'p' } else { b'q' };
    let mistyped = String::from_utf8(mistyped).expect("ASCII");

    let mut words = Vec::new();
    for (what, token, fingerprint) in [
        ("a mistyped token", mistyped.as_str(), fingerprint.as_str()),
        ("a token for another agency", &foreign, &fingerprint),
        ("a wrong fingerprint", &token, &strange),
    ] {
        let ran = stage.join(SIXTH, token, fingerprint);
        assert_ne!(ran.exit, 0, "{what}: {ran:?}");
        assert!(!ran.stderr.contains(token), "{what}: the token is in the error");
        words.push(ran.stderr.lines().next().unwrap_or_default().to_owned());
    }
    words.sort();
    words.dedup();
    assert_eq!(words.len(), 3, "each refusal has its own words: {words:?}");

    stage.join(SIXTH, &token, &fingerprint).good();
    stage.start(SIXTH);
    stage.start(FINANCE);
    stage.until("the member that was down learns of the new one", |stage| {
        members(stage, FINANCE) == BODIES.len() + 1
    });
    assert_eq!(members(&stage, COORDINATOR), BODIES.len() + 1);
}

/// The answer to an admission can be lost on its way: the agency has not joined, and its token is used up.
#[test]
fn a_join_whose_answer_was_lost_succeeds_when_it_is_run_again() {
    let mut stage = Stage::new();
    stage.found();
    stage.init(FINANCE);
    let (token, fingerprint) = (stage.token(FINANCE), stage.fingerprint());
    stage.join(FINANCE, &token, &fingerprint).good();
    let home = stage.home(FINANCE);
    std::fs::remove_file(home.join("federation.fingerprint")).expect("as before the answer came");
    stage.join(FINANCE, &token, &fingerprint).good();
    assert_eq!(members(&stage, COORDINATOR), 2);
    // The same with the disk full between the token book and the directory: nothing may be published there.
    stage.init(MARKET);
    let token = stage.token(MARKET);
    let repository = stage.home(COORDINATOR).join("federation/metadata");
    let next = std::fs::read_dir(&repository).expect("metadata").count();
    let obstacles: Vec<_> = (1..next + 8)
        .map(|version| repository.join(format!("{version}.targets.json")))
        .filter(|path| !path.exists())
        .collect();
    for obstacle in &obstacles {
        std::fs::create_dir(obstacle).expect("created");
    }
    assert_ne!(stage.join(MARKET, &token, &fingerprint).exit, 0, "cannot be published");
    for obstacle in &obstacles {
        std::fs::remove_dir(obstacle).expect("removed");
    }
    stage.kill(COORDINATOR);
    stage.start(COORDINATOR);
    stage.join(MARKET, &token, &fingerprint).good();
    assert_eq!(members(&stage, COORDINATOR), 3);
    let log = stage.run(COORDINATOR, Some("aud"), &["-o", "json", "audit", "search"]).good().stdout;
    assert!(log.contains("member_changed"), "{log}");
}

#[test]
fn a_removed_member_is_cut_off_by_everybody() {
    let stage = Stage::federation();
    let remove = |operator, body: Body| {
        let arguments = ["--yes", "federation", "remove", body.1, "--reason", "节点密钥泄露"];
        stage.run(COORDINATOR, Some(operator), &arguments)
    };
    assert_ne!(remove("zhang", MARKET).exit, 0, "a clerk removes nobody");
    assert_ne!(remove("wang", COORDINATOR).exit, 0, "nobody would be left to sign");
    remove("wang", MARKET).good();
    assert_ne!(remove("wang", MARKET).exit, 0, "no member any more");
    stage.until("the others have cut it off", |stage| {
        stage.online(FINANCE) == 1 && stage.online(COORDINATOR) == 1 && stage.online(MARKET) == 0
    });
    assert_eq!(members(&stage, FINANCE), 2);
}

#[test]
fn a_removed_member_does_not_come_back_by_the_token_it_joined_with() {
    let mut stage = Stage::new();
    stage.found();
    stage.init(FINANCE);
    let (token, fingerprint) = (stage.token(FINANCE), stage.fingerprint());
    stage.join(FINANCE, &token, &fingerprint).good();
    let arguments = ["--yes", "federation", "remove", FINANCE.1, "--reason", "节点密钥泄露"];
    stage.run(COORDINATOR, Some("wang"), &arguments).good();
    // The door is open, for somebody else.
    let _other = stage.token(MARKET);
    std::fs::remove_file(stage.home(FINANCE).join("federation.fingerprint")).expect("to join anew");
    assert_eq!(stage.join(FINANCE, &token, &fingerprint).exit, 4, "its token is withdrawn");
    assert_eq!(members(&stage, COORDINATOR), 1);
}

/// A founding that stopped before its last file is done anew, with other keys throughout; a federation that is in force
/// is not.
#[test]
fn a_founding_that_was_cut_short_can_be_repeated() {
    let mut stage = Stage::new();
    stage.init(COORDINATOR);
    stage.found_with("root-keys").good();
    let former = stage.fingerprint();
    let fingerprint = stage.home(COORDINATOR).join("federation.fingerprint");
    std::fs::remove_file(&fingerprint).expect("as before the end");
    assert_ne!(stage.found_with("root-keys").exit, 0, "no key is overwritten");
    stage.found_with("other-keys").good();
    assert_ne!(stage.fingerprint(), former);
    stage.start(COORDINATOR);
    assert_eq!(members(&stage, COORDINATOR), 1);

    stage.kill(COORDINATOR);
    std::fs::remove_file(&fingerprint).expect("lost");
    stage.found_with("further-keys").refused(7, &["restore federation.fingerprint from the backup"]);
}

#[test]
fn a_node_without_its_fingerprint_joins_again_and_founds_nothing() {
    let mut stage = Stage::new();
    stage.found();
    stage.init(FINANCE);
    let (token, root) = (stage.token(FINANCE), stage.fingerprint());
    let file = stage.home(FINANCE).join("federation.fingerprint");
    // The last file cannot be written: nothing is there that looks like it, and the join is repeated.
    let beside = stage.home(FINANCE).join("federation.fingerprint.new");
    std::fs::create_dir(&beside).expect("an obstacle");
    assert_ne!(stage.join(FINANCE, &token, &root).exit, 0, "cannot be written");
    assert!(!file.exists());
    std::fs::remove_dir(&beside).expect("removed");
    stage.join(FINANCE, &token, &root).good();
    stage.start(FINANCE);
    stage.kill(FINANCE);

    std::fs::write(&file, "").expect("damaged");
    let said = [file.to_str().expect("UTF-8"), "restore the file from the backup"];
    stage.run(FINANCE, None, &["serve"]).refused(7, &said);
    stage.join(FINANCE, &token, &root).refused(7, &said);
    std::fs::remove_file(&file).expect("lost");
    let keys = stage.file("finance-keys").display().to_string();
    let found = ["--yes", "federation", "found", "--name", "other", "--keys-dir", &keys];
    stage.run(FINANCE, None, &found).refused(7, &["ran as a member's", "join the same federation again"]);
    // Nor does it join another one, whose members would get its notices: what it verified of its own stays.
    let timestamp = stage.home(FINANCE).join("trust/metadata/timestamp.json");
    let kept = std::fs::read(&timestamp).expect("metadata");
    let other =
        format!("{}{}", &root[..root.len() - 4], if root.ends_with("0000") { "1111" } else { "0000" });
    stage
        .join(FINANCE, &token, &other)
        .refused(7, &["ran as a member's", "the federation that it belongs to"]);
    assert_eq!(std::fs::read(&timestamp).expect("metadata"), kept);
    stage.join(FINANCE, &token, &root).good();
    stage.start(FINANCE);
    assert_eq!(members(&stage, FINANCE), 2);
}

/// What a member verified is lost or damaged: any other member has it, and nobody needs to be asked for a token.
#[test]
fn a_member_gets_its_directory_again_from_another_member() {
    let mut stage = Stage::federation();
    let (root, home) = (stage.fingerprint(), stage.home(MARKET));
    let finance = stage.address(FINANCE);
    let join = |stage: &Stage, address: &str, root: &str| {
        stage.run(MARKET, None, &["join", address, "--fingerprint", root])
    };
    join(&stage, &finance, &root).refused(5, &["runs already"]);
    stage.kill(MARKET);
    let other = format!("sha256:{}", "ab".repeat(32));
    join(&stage, &finance, &other).refused(6, &["another federation"]);

    // One byte of an entry. What it had seen is still held against what is fetched.
    let path = home.join("trust/seen/timestamp.json");
    let seen = std::fs::read(&path).expect("seen");
    let targets = std::fs::read_dir(home.join("trust/metadata")).expect("metadata").flatten();
    let targets = targets.map(|file| file.path()).find(|path| path.ends_with("3.targets.json"));
    let targets = targets.expect("the third version has all three members");
    let mut bytes = std::fs::read(&targets).expect("targets");
    bytes[20] ^= 1;
    std::fs::write(&targets, bytes).expect("damaged");
    stage.run(MARKET, None, &["serve"]).refused(7, &["does not hold", "join ADDRESS --fingerprint"]);
    let ran = stage.run(MARKET, None, &["-o", "json", "join", &finance, "--fingerprint", &root]).good();
    let again = &ran.json()["again"];
    assert_eq!(again["newest_seen"], true, "{ran:?}");
    let damaged = std::path::PathBuf::from(again["damaged"].as_str().expect("a folder"));
    assert_eq!(std::fs::read(damaged.join("seen/timestamp.json")).expect("kept"), seen);
    stage.start(MARKET);
    assert_eq!(members(&stage, MARKET), BODIES.len());
    stage.kill(MARKET);

    // All of it, by the coordinator's copy and by a member's node: which state is the newest nobody can say.
    let repository = stage.home(COORDINATOR).join("federation");
    for address in [repository.to_str().expect("UTF-8"), &finance] {
        std::fs::remove_dir_all(home.join("trust")).expect("lost");
        stage.run(MARKET, None, &["serve"]).refused(5, &["is lost", "join ADDRESS --fingerprint"]);
        let ran = join(&stage, address, &root).good();
        assert!(ran.stdout.contains("compare it with what the coordinator's"), "{ran:?}");
        join(&stage, address, &root).good();
    }
    stage.start(MARKET);
    assert_eq!(members(&stage, MARKET), BODIES.len());

    // Who was removed needs a token, and one that admits the keys it had.
    let remove = ["--yes", "federation", "remove", MARKET.1, "--reason", "单位撤并"];
    stage.run(COORDINATOR, Some("wang"), &remove).good();
    stage.kill(MARKET);
    std::fs::remove_dir_all(home.join("trust")).expect("lost");
    stage.until("the other member knows", |stage| members(stage, FINANCE) == 2);
    join(&stage, &finance, &root).refused(5, &["does not list this node's transport key"]);
    let token = stage.token(MARKET);
    stage.join(MARKET, &token, &root).refused(4, &["had when it was removed", "--former-keys"]);
    let token = stage.token_with(MARKET, &["--former-keys"]);
    stage.join(MARKET, &token, &root).good();
    stage.start(MARKET);
    assert_eq!(members(&stage, MARKET), BODIES.len());
}

/// Whose token was used by somebody else must hear of it: that is how a stolen one is found out.
#[test]
fn who_comes_with_a_token_that_another_redeemed_is_told_to_call() {
    let mut stage = Stage::new();
    stage.found();
    let thief: Body = ("thief", FINANCE.1, FINANCE.2, FINANCE.3);
    stage.init(thief);
    stage.init(FINANCE);
    let (token, fingerprint) = (stage.token(FINANCE), stage.fingerprint());
    stage.join(thief, &token, &fingerprint).good();
    stage
        .join(FINANCE, &token, &fingerprint)
        .refused(6, &["redeemed already", "call the coordinator at once"]);
}

#[test]
fn a_member_is_entered_by_hand_without_a_network() {
    let mut stage = Stage::new();
    stage.found();
    stage.init(FINANCE);
    let fingerprint = stage.fingerprint();
    let repository = stage.home(COORDINATOR).join("federation");
    let repository = repository.to_str().expect("UTF-8");
    let join = ["join", repository, "--fingerprint", &fingerprint];

    // Not entered yet: the application is written, and its fingerprint told.
    let ran = stage.run(FINANCE, None, &join);
    assert_eq!(ran.exit, 8, "{ran:?}");
    let application = stage.home(FINANCE).join("application.json");
    let file = application.to_str().expect("UTF-8").to_owned();
    let told =
        ran.stderr.split_whitespace().find_map(|word| word.strip_prefix("sha256:")).expect("fingerprint");
    let told = format!("sha256:{}", &told[..64]);
    assert_eq!(told, Sha256::of(&std::fs::read(&application).expect("application")).to_string());
    // Asked again while the file is on its way: it stays as it was told.
    assert!(stage.run(FINANCE, None, &join).stderr.contains(&told[7..]));
    let wrong = format!("sha256:{}", "00".repeat(32));
    let enrol = |fingerprint: &str| {
        let arguments = ["--yes", "federation", "enrol", &file, "--fingerprint", fingerprint];
        stage.run(COORDINATOR, Some("wang"), &arguments)
    };
    assert_eq!(enrol(&wrong).exit, 7, "somebody exchanged the file");
    enrol(&told).good();
    assert_eq!(members(&stage, COORDINATOR), 2);

    stage.run(FINANCE, None, &join).good();
    stage.start(FINANCE);
    assert_eq!(members(&stage, FINANCE), 2);
}

fn members(stage: &Stage, body: Body) -> usize {
    let members = stage.run(body, Some("sys"), &["-o", "json", "federation", "members"]).good().json();
    members["members"].as_array().expect("members").len()
}

//! The story: a clerk's check, a penalty recorded elsewhere, a denied question, a sanction that reaches everybody, a
//! node that was down and catches up, and logs that verify.

use chengxin_cli::console::Console;
use chengxin_import::dialect::TemplateVersion;
use chengxin_import::encoding::TextEncoding;
use chengxin_import::generate::{GenerateOptions, Trap, csv_generate};
use serde_json::Value;

use crate::demo::cast::{BODIES, COORDINATOR, FINANCE, LEAGUE, MARKET, REFORM, SUBJECT, SUBJECT_NAME};
use crate::demo::stage::{Broken, Stage, argument, body};
use crate::home::file_create;

/// The purpose a purchaser checks under.
const PURPOSE: &str = "government-procurement";
/// The project.
const CASE: &str = "CG-2026-031";
/// The measure of the notice.
const MEASURE: &str = "restrict-government-procurement";
/// Checks of the finance department that reach the market regulator: two before the import and two after it, each once
/// for people and once for this program, and one with a node down. The one for a wrong purpose reaches nobody.
const CHECKS: usize = 5;

/// Tells the whole story; stops at the first step that does not hold.
pub(crate) fn tell(stage: &mut Stage, console: &mut Console) -> Result<(), Broken> {
    stage.say(
        console,
        "chengxin 演示: 一个统筹单位和四个成员单位, 各自运行节点; 没有中心数据库. 所有单位和记录均为虚构.\n",
        "chengxin demo: a coordinator and four agencies, each running its own node; no central database. All bodies and records are invented.\n",
    );
    found(stage, console)?;
    members_join(stage, console)?;
    check_before(stage, console)?;
    import(stage, console)?;
    check_after(stage, console)?;
    deny(stage, console)?;
    sanction(stage, console)?;
    catch_up(stage, console)?;
    audit(stage, console)
}

fn init(stage: &Stage, console: &mut Console, place: usize, coordinator: bool) -> Result<i32, Broken> {
    let who = body(place);
    let addresses = stage.addresses(place);
    let recovery = argument(&stage.file(&format!("{}.recovery-key", who.key)));
    let mut arguments =
        vec!["init", "--trial", "--agency", who.code, "--name", who.name, "--region", who.region];
    for function in who.functions {
        arguments.extend(["--function", function]);
    }
    for address in &addresses {
        arguments.extend(["--listen", address]);
    }
    arguments.extend([
        "--account",
        "sys=system_administrator",
        "--account",
        "sec=security_administrator",
        "--account",
        "aud=audit_administrator",
        "--account",
        "zhang=clerk",
        "--account",
        "li=reviewer",
    ]);
    // The league's publish its overlay once the federation's delegate that to it.
    if coordinator || place == LEAGUE {
        arguments.extend(["--account", "wang=coordinator", "--account", "he=coordinator"]);
    }
    arguments.extend(["--recovery-key", &recovery]);
    // Shown once in full; the others differ only in their names.
    let ran = if coordinator {
        stage.show(console, place, None, &arguments)?
    } else {
        stage.quiet(place, None, &arguments)?
    };
    if ran.exit != 0 {
        stage.say(console, &ran.stderr, &ran.stderr);
    }
    Ok(ran.exit)
}

fn found(stage: &mut Stage, console: &mut Console) -> Result<(), Broken> {
    stage.say(console, "一、建立联盟", "1. Founding the federation");
    let exit = init(stage, console, COORDINATOR, true)?;
    stage.step(console, ("统筹节点已初始化", "the coordinator's node is set up"), exit == 0, "")?;
    let keys = argument(&stage.file("root-keys"));
    let arguments = [
        "--yes",
        "federation",
        "found",
        "--name",
        "demo",
        "--keys",
        "3",
        "--threshold",
        "2",
        "--keys-dir",
        &keys,
    ];
    let ran = stage.show(console, COORDINATOR, None, &arguments)?;
    stage.step(
        console,
        ("联盟已建立, 根密钥三份, 需两份签名", "the federation is founded: three root keys, two must sign"),
        ran.exit == 0,
        "",
    )?;
    stage.start(COORDINATOR)
}

fn members_join(stage: &mut Stage, console: &mut Console) -> Result<(), Broken> {
    stage.say(console, "二、四个单位加入", "2. Four agencies join");
    for place in [FINANCE, MARKET, REFORM, LEAGUE] {
        init(stage, console, place, false)?;
        let who = body(place);
        let token_file = argument(&stage.file(&format!("{}.token", who.key)));
        let mut arguments =
            vec!["-o", "json", "federation", "token", who.code, "--name", who.name, "--region", who.region];
        for function in who.functions {
            arguments.extend(["--function", function]);
        }
        let ran = stage.quiet(COORDINATOR, Some("wang"), &arguments)?;
        let token = ran.json();
        let (Some(secret), Some(fingerprint)) = (token["token"].as_str(), token["root_fingerprint"].as_str())
        else {
            return Err(Broken(format!("no token for {}: {}", who.key, [ran.stdout, ran.stderr].concat())));
        };
        file_create(token_file.as_ref(), 0o600, secret.as_bytes()).map_err(|error| Broken(error.chain()))?;
        let door = stage.door();
        let arguments = ["join", &door, "--fingerprint", fingerprint, "--token-file", &token_file];
        let ran = if place == FINANCE {
            stage.show(console, place, None, &arguments)?
        } else {
            stage.quiet(place, None, &arguments)?
        };
        if ran.exit != 0 {
            return Err(Broken(format!("{} did not join: {}", who.key, ran.stderr)));
        }
        stage.start(place)?;
    }
    stage.until("every node knows every other and is connected", |stage| {
        for place in 0..BODIES.len() {
            let (_, peers) = stage.json(place, Some("sys"), &["peer", "list"])?;
            let online = peers["peers"]
                .as_array()
                .map_or(0, |peers| peers.iter().filter(|peer| peer["online"] == Value::Bool(true)).count());
            if online + 1 < BODIES.len() {
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    stage.show(console, FINANCE, Some("sys"), &["peer", "list"])?;
    stage.step(console, ("五个节点互相认识并连接", "five nodes know each other and are connected"), true, "")
}

fn check_before(stage: &mut Stage, console: &mut Console) -> Result<(), Broken> {
    stage.say(
        console,
        "三、采购前核查: 财政厅经办人",
        "3. A check before procurement: the clerk of the finance department",
    );
    let certificate = argument(&stage.file("check.json"));
    let arguments = ["check", SUBJECT, "--purpose", PURPOSE, "--ref", CASE, "--certificate", &certificate];
    let ran = stage.show(console, FINANCE, Some("zhang"), &arguments)?;
    let (exit, result) =
        stage.json(FINANCE, Some("zhang"), &["check", SUBJECT, "--purpose", PURPOSE, "--ref", CASE])?;
    let nothing = result["coverage"]["complete"] == Value::Bool(true)
        && is_empty(&result["records"])
        && is_empty(&result["restrictions"]);
    let held = ran.exit == 0 && exit == 0 && nothing;
    let answered = result["coverage"]["answered"].to_string();
    stage.step(
        console,
        (
            "所有单位均已答复, 未发现记录; 答复单位数:",
            "everybody answered and nothing was found; agencies that answered:",
        ),
        held,
        answered,
    )?;
    let ran = stage.show(console, FINANCE, None, &["certificate", "verify", &certificate])?;
    stage.step(console, ("核查凭证离线验证通过", "the check certificate verifies offline"), ran.exit == 0, "")
}

fn import(stage: &mut Stage, console: &mut Console) -> Result<(), Broken> {
    stage.say(
        console,
        "四、市场监管局导入双公示行政处罚文件",
        "4. The market regulator imports a penalty file",
    );
    let broken = |error: chengxin_import::ImportError| Broken(error.to_string());
    let write = |stage: &Stage, name: &str, bytes: &[u8]| {
        let path = stage.file(name);
        file_create(&path, 0o600, bytes).map_err(|error| Broken(error.chain()))?;
        Ok::<_, Broken>(argument(&path))
    };
    let mut faulty = GenerateOptions::new(TemplateVersion::PenaltyLegalPersons2018, 60, 7);
    faulty.traps = vec![Trap::WrongCheck, Trap::ImpossibleDate, Trap::OtherUnit, Trap::LongTerm];
    faulty.trap_every = 15;
    let mut bytes = Vec::new();
    csv_generate(faulty, TextEncoding::Gb18030, &mut bytes).map_err(broken)?;
    let file = write(stage, "penalties-with-faults.csv", &bytes)?;
    let ran = stage.show(console, MARKET, Some("zhang"), &["record", "import", &file, "--dry-run"])?;
    let (_, report) = stage.json(MARKET, Some("zhang"), &["record", "import", &file, "--dry-run"])?;
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let placed =
        findings.iter().all(|finding| finding["row"].as_u64() > Some(1) && finding["code"].is_string());
    stage.step(
        console,
        ("有错误的文件 (GB18030) 被拒绝, 逐行说明", "a file with faults (GB18030) is refused, row by row"),
        ran.exit == 1 && report["rows"]["wrong"].as_u64() > Some(0) && !findings.is_empty() && placed,
        "",
    )?;

    let mut bytes = Vec::new();
    let clean = GenerateOptions::new(TemplateVersion::PenaltyLegalPersons2018, 500, 11);
    csv_generate(clean, TextEncoding::Gb18030, &mut bytes).map_err(broken)?;
    let file = write(stage, "penalties.csv", &bytes)?;
    let ran = stage.show(console, MARKET, Some("zhang"), &["record", "import", &file])?;
    let (_, imports) = stage.json(MARKET, Some("zhang"), &["import", "list"])?;
    let new = &imports["imports"][0]["rows"]["new"];
    let held = ran.exit == 0 && *new == 500;
    stage.step(console, ("500 条处罚记录导入", "500 penalties are imported"), held, "")?;
    let file = write(stage, "penalty-of-the-counterparty.csv", penalty().as_bytes())?;
    let ran = stage.show(console, MARKET, Some("zhang"), &["record", "import", &file])?;
    stage.step(
        console,
        ("对方单位的一条处罚记录导入", "a penalty against the counterparty is imported"),
        ran.exit == 0,
        "",
    )?;
    let mut bytes = Vec::new();
    let debtors = GenerateOptions::new(TemplateVersion::JudgmentDebtorList, 40, 13);
    csv_generate(debtors, TextEncoding::Utf8Bom, &mut bytes).map_err(broken)?;
    let file = write(stage, "judgment-debtors.csv", &bytes)?;
    let ran = stage.show(console, REFORM, Some("zhang"), &["record", "import", &file])?;
    stage.step(
        console,
        ("发展改革委导入失信被执行人名单", "the reform commission imports a list of judgment debtors"),
        ran.exit == 0,
        "",
    )
}

/// A row of the national template about the counterparty, with a fine in 万元 and a person's number.
fn penalty() -> String {
    let representative = chengxin_import::generate::resident_number(31);
    format!(
        "行政相对人名称,行政相对人代码_1 (统一社会信用代码),法定代表人,法定代表人身份证号,行政处罚决定书文号,违法行为类型,违法事实,处罚依据,处罚类别,处罚内容,罚款金额 (万元),处罚决定日期,处罚有效期,公示截止期,处罚机关,处罚机关统一社会信用代码\n\
         {SUBJECT_NAME},{SUBJECT},示例甲,{representative},示市监罚〔2026〕88号,串通投标,在示例项目招标中与他人串通,《中华人民共和国招标投标法》第五十三条,罚款、没收违法所得、没收非法财物,罚款并没收违法所得,12.5,2026-09-18,2099/12/31,2027-09-18,{},{}\n",
        BODIES[MARKET].name, BODIES[MARKET].code
    )
}

fn check_after(stage: &mut Stage, console: &mut Console) -> Result<(), Broken> {
    stage.say(
        console,
        "五、再次核查: 记录出现, 按分级脱敏",
        "5. The check again: the record appears, redacted by classification",
    );
    let arguments = ["check", SUBJECT, "--purpose", PURPOSE, "--ref", CASE];
    let ran = stage.show(console, FINANCE, Some("zhang"), &arguments)?;
    let (_, result) = stage.json(FINANCE, Some("zhang"), &arguments)?;
    let record = &result["records"][0];
    let fields = record["fields"].as_array().cloned().unwrap_or_default();
    let redacted = fields.iter().any(|field| {
        field["name"] == "legal_representative_number" && field["value"].is_null()
            || field["masked"] == Value::Bool(true)
    });
    let number = chengxin_import::generate::resident_number(31);
    let leaked = result.to_string().contains(&number) || ran.stdout.contains(&number);
    let held = record["issuer"] == BODIES[MARKET].code && redacted && !leaked;
    stage.step(
        console,
        (
            "处罚记录可见; 法定代表人证件号码未泄露",
            "the penalty is visible; the representative's number is not",
        ),
        held,
        "",
    )
}

fn deny(stage: &mut Stage, console: &mut Console) -> Result<(), Broken> {
    stage.say(console, "六、用途不当的核查被拒绝", "6. A check for a wrong purpose is denied");
    let arguments = ["check", SUBJECT, "--purpose", "securities-issuance", "--ref", CASE];
    let ran = stage.show(console, FINANCE, Some("zhang"), &arguments)?;
    let held = ran.exit == 4 && ran.stderr.contains("purpose.securities-issuance.functions");
    stage.step(console, ("被拒绝, 并说明规则", "denied, with the rule that decided"), held, "")
}

fn sanction(stage: &mut Stage, console: &mut Console) -> Result<(), Broken> {
    stage.say(
        console,
        "七、市场监管局发出惩戒通知; 盟行署节点此时被强行终止",
        "7. The market regulator issues a sanction notice; the league's node is killed meanwhile",
    );
    stage.kill(LEAGUE);
    let (_, list) = stage.json(MARKET, Some("li"), &["record", "list", "--subject", SUBJECT])?;
    let Some(record) = list["records"][0]["record"].as_str().map(ToOwned::to_owned) else {
        return Err(Broken(format!("the record is not listed: {list}")));
    };
    let refused = stage.show(
        console,
        MARKET,
        Some("li"),
        &["--yes", "notice", "issue", "--record", &record, "--measure", "close-the-firm"],
    )?;
    stage.step(
        console,
        ("不在措施清单中的措施被拒绝", "a measure that is not listed is refused"),
        refused.exit == 3,
        "",
    )?;
    let ran = stage.show(
        console,
        MARKET,
        Some("li"),
        &["--yes", "notice", "issue", "--record", &record, "--measure", MEASURE],
    )?;
    stage.step(
        console,
        ("通知已签发并排队送达", "the notice is issued and queued for every entitled member"),
        ran.exit == 0,
        "",
    )?;
    for place in [FINANCE, REFORM, COORDINATOR] {
        stage.until("the restriction is in force", |stage| restricted(stage, place))?;
    }
    let ran = stage.show(
        console,
        FINANCE,
        Some("zhang"),
        &["check", SUBJECT, "--purpose", PURPOSE, "--ref", CASE],
    )?;
    stage.step(
        console,
        (
            "各在线节点均已限制; 一个单位未答复, 因此退出码为 5",
            "restricted at every node that is up; one agency is silent, so the exit code is 5",
        ),
        ran.exit == 5,
        "",
    )
}

fn restricted(stage: &mut Stage, place: usize) -> Result<bool, Broken> {
    let (_, list) = stage.json(place, Some("zhang"), &["restriction", "list", SUBJECT])?;
    let first = &list["restrictions"][0];
    Ok(first["measure"] == MEASURE && first["applied_here"] == true)
}

fn catch_up(stage: &mut Stage, console: &mut Console) -> Result<(), Broken> {
    stage.say(console, "八、盟行署节点恢复并补收通知", "8. The league's node returns and catches up");
    stage.start(LEAGUE)?;
    stage.until("the league has the restriction", |stage| restricted(stage, LEAGUE))?;
    stage.show(console, LEAGUE, Some("zhang"), &["restriction", "list", SUBJECT])?;
    stage.step(console, ("补收成功, 已执行限制", "it caught up and applies the restriction"), true, "")?;
    let (_, list) = stage.json(MARKET, Some("li"), &["notice", "list"])?;
    let Some(notice) = list["notices"][0]["notice"].as_str().map(ToOwned::to_owned) else {
        return Err(Broken(format!("the notice is not listed: {list}")));
    };
    stage.until("every recipient has sent a receipt", |stage| {
        let (_, detail) = stage.json(MARKET, Some("li"), &["notice", "show", &notice])?;
        let all = Value::from(BODIES.len() - 1);
        Ok(detail["summary"]["acknowledged"] == all || detail["acknowledged"] == all)
    })?;
    stage.show(console, MARKET, Some("li"), &["notice", "show", &notice])?;
    stage.step(console, ("四份签名回执齐全", "four signed receipts are there"), true, "")
}

fn audit(stage: &mut Stage, console: &mut Console) -> Result<(), Broken> {
    stage.say(
        console,
        "九、审计: 谁问了什么, 日志未被改写",
        "9. Audit: who asked what, and that the logs were not rewritten",
    );
    let arguments = ["audit", "search", "--subject", SUBJECT];
    stage.show(console, MARKET, Some("aud"), &arguments)?;
    let (exit, log) = stage.json(MARKET, Some("aud"), &arguments)?;
    let asker = BODIES[FINANCE].code;
    let entries = log["entries"].as_array().cloned().unwrap_or_default();
    let questions = entries
        .iter()
        .filter(|entry| entry["event"] == "answer_disclosed" && entry.to_string().contains(asker))
        .count();
    stage.step(
        console,
        (
            "市场监管局的审计管理员看到财政厅的每次查询:",
            "the market regulator's auditor sees every question of finance:",
        ),
        exit == 0 && questions == CHECKS,
        questions.to_string(),
    )?;
    for (place, who) in BODIES.iter().enumerate() {
        let ran = if place == MARKET {
            stage.show(console, place, Some("aud"), &["audit", "verify"])?
        } else {
            stage.quiet(place, Some("aud"), &["audit", "verify"])?
        };
        stage.step(console, ("日志校验通过:", "the log verifies:"), ran.exit == 0, who.name)?;
    }
    Ok(())
}

/// What to try while the federation is up.
pub(crate) fn hints(stage: &Stage, console: &mut Console) {
    let home = stage.home(FINANCE);
    let home = home.display();
    let coordinator = stage.home(COORDINATOR);
    let coordinator = coordinator.display();
    stage.say(
        console,
        &format!(
            "\n联盟仍在运行; 按 Ctrl-C 结束. 可以试试:\n  chengxin --home {home} --operator sys status\n  chengxin --home {home} --operator zhang check {SUBJECT} --purpose bidding --ref ZB-2026-007\n  chengxin --home {home} --operator zhang policy explain --purpose bidding --as clerk --category general_breach\n  chengxin --home {home} --operator aud audit search\n  chengxin --home {coordinator} --operator wang policy status"
        ),
        &format!(
            "\nThe federation stays up; Ctrl-C ends it. Try:\n  chengxin --home {home} --operator sys status\n  chengxin --home {home} --operator zhang check {SUBJECT} --purpose bidding --ref ZB-2026-007\n  chengxin --home {home} --operator zhang policy explain --purpose bidding --as clerk --category general_breach\n  chengxin --home {home} --operator aud audit search\n  chengxin --home {coordinator} --operator wang policy status"
        ),
    );
}

fn is_empty(list: &Value) -> bool {
    list.as_array().is_some_and(Vec::is_empty)
}

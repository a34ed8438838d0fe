//! The demo is the shortest proof that the whole product works; it must stay runnable by machines.

use serde_json::Value;

use crate::stage::program;

#[test]
fn the_demo_tells_its_whole_story_and_every_step_holds() {
    let output = std::process::Command::new(program())
        .args(["demo", "--exit", "-o", "json", "--lang", "en"])
        .output()
        .expect("the demo starts");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let document: Value = serde_json::from_str(&text).expect("one JSON document and nothing else");
    assert_eq!(document["schema"], "demo/v1");
    assert_eq!(document["held"], true, "{document}");
    let steps = document["steps"].as_array().expect("steps");
    assert!(!steps.is_empty());
    for step in steps {
        assert_eq!(step["held"], true, "{step}");
    }
    assert!(output.status.success(), "{document}");
}

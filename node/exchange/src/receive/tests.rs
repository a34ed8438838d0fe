//! What one issuer may make this node keep in a day.

use chengxin_schemas::time::UnixTime;

use super::*;
use crate::budget::DayBudget;
use crate::support::{FINANCE, Federation, MARKET, NOW, agency};

async fn issue(federation: &Federation) {
    federation.notice_issue(MARKET, &["restrict-government-procurement"]).await.expect("issued");
}

async fn received(federation: &Federation) -> u64 {
    let key = keyspace::inbox_head(&agency(MARKET));
    let bytes = federation.node(FINANCE).parts.store.get(&key).await.expect("read").expect("head");
    InboxHead::decode(&bytes).expect("head").last
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_has_a_share_of_each_day_and_goes_on_the_next() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let finance = federation.node(FINANCE);
    *finance.intake.lock().expect("lock") = DayBudget::new(2, u64::MAX);
    for _ in 0..4 {
        issue(&federation).await;
    }
    federation.deliver(MARKET).await;
    assert_eq!(received(&federation).await, 2);
    assert_eq!(federation.node(MARKET).delivery_owed(), 1, "the issuer comes back");
    let entries = finance.log().tree_size();
    let market = &federation.clocks[&agency(MARKET)];
    for later in 1..5 {
        market.set(NOW.plus(later * 1_000));
        federation.deliver(MARKET).await;
    }
    assert_eq!(finance.log().tree_size(), entries, "the log was told once");
    let tomorrow = UnixTime(NOW.0.div_euclid(86_400) * 86_400 + 86_400);
    federation.clocks[&agency(FINANCE)].set(tomorrow);
    market.set(tomorrow);
    federation.deliver(MARKET).await;
    assert_eq!((received(&federation).await, federation.node(MARKET).delivery_owed()), (4, 0));
}

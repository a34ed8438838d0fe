//! The suite that every engine passes, run on sled.

use std::sync::{Arc, Mutex};

use chengxin_store::conformance::conformance_run;
use chengxin_store::{SledOptions, SledStore, Store};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sled_conforms() {
    let parent = tempfile::tempdir().unwrap();
    let made = Mutex::new(Vec::new());
    let fresh = async || -> Arc<dyn Store> {
        let folder = {
            let mut made = made.lock().unwrap();
            let folder = parent.path().join(format!("store-{}", made.len()));
            made.push(folder.clone());
            folder
        };
        as_store(SledStore::open(&folder, SledOptions::creating()).unwrap())
    };
    // Only the last check opens again, so the folder is the one made last.
    let reopen = async |store: Arc<dyn Store>| -> Arc<dyn Store> {
        drop(store);
        let folder = made.lock().unwrap().last().unwrap().clone();
        as_store(SledStore::open(&folder, SledOptions::default()).unwrap())
    };
    conformance_run(fresh, reopen).await;
}

fn as_store(store: SledStore) -> Arc<dyn Store> {
    Arc::new(store)
}

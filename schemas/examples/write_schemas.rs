//! Writes the JSON Schemas under `schemas/json` anew: `cargo run -p chengxin-schemas --example write_schemas`.

fn main() -> std::io::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("json");
    std::fs::create_dir_all(&folder)?;
    for file in chengxin_schemas::schema_files::schema_files() {
        std::fs::write(folder.join(&file.name), &file.text)?;
        println!("{}", file.name);
    }
    Ok(())
}

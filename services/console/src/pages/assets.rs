//! Styles, scripts and pictures, which are part of the program, so that it needs no files.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// The address contains a part of the content's hash, so the content of an address never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

struct Asset {
    name: &'static str,
    content_type: &'static str,
    content: &'static [u8],
}

static ASSETS: LazyLock<[Asset; 6]> = LazyLock::new(|| {
    [
        Asset { name: "console.css", content_type: "text/css; charset=utf-8", content: include_bytes!("../../assets/console.css") },
        Asset { name: "console.js", content_type: "text/javascript; charset=utf-8", content: include_bytes!("../../assets/console.js") },
        Asset { name: "editor.js", content_type: "text/javascript; charset=utf-8", content: include_bytes!("../../assets/editor.js") },
        Asset { name: "theme.js", content_type: "text/javascript; charset=utf-8", content: include_bytes!("../../assets/theme.js") },
        Asset { name: "icon.svg", content_type: "image/svg+xml", content: include_bytes!("../../assets/icon.svg") },
        Asset { name: "definition.json", content_type: "application/schema+json", content: forebay_contract::document_schema().as_bytes() },
    ]
});

static ADDRESSES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let address = |asset: &Asset| {
        let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(asset.content)[..6]);
        format!("/assets/{hash}/{}", asset.name)
    };
    ASSETS.iter().map(address).collect()
});

/// Returns the address of an asset.
#[must_use]
pub(crate) fn address(name: &str) -> String {
    let place = ASSETS.iter().position(|asset| asset.name == name);
    place.map(|place| ADDRESSES[place].clone()).unwrap_or_default()
}

/// `GET /assets/{hash}/{name}`. Another hash belongs to another version of the program: the response is the content of this version, and is
/// not cached.
pub(crate) async fn get(path: web::Path<(String, String)>) -> HttpResponse {
    let (hash, name) = path.into_inner();
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else { return HttpResponse::NotFound().finish() };
    let is_current = address(&name) == format!("/assets/{hash}/{name}");
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, asset.content_type))
        .insert_header((CACHE_CONTROL, if is_current { FOR_EVER } else { "no-store" }))
        .body(asset.content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asset_has_an_address_and_nothing_is_fetched_from_elsewhere() {
        for asset in ASSETS.iter() {
            assert!(address(asset.name).ends_with(asset.name));
            let text = String::from_utf8_lossy(asset.content);
            assert!(asset.name == "definition.json" || !text.contains("@import") && !text.contains("url(http"), "{}", asset.name);
        }
    }
}

//! The boundary between the parts of `multipart/form-data`.

use super::{BodyError, MediaType};

/// The media type, which is also its name in errors.
pub(super) const MULTIPART: &str = "multipart/form-data";

/// Returns the boundary of a Content-Type, if it has one.
pub(super) fn boundary(media_type: &MediaType<'_>) -> Option<String> {
    let boundary = media_type.parameter("boundary")?;
    (!boundary.is_empty() && boundary.len() <= 200).then(|| boundary.to_owned())
}

/// Returns the boundary that a multipart body must have.
///
/// # Errors
/// [`BodyError::Malformed`] without one.
pub fn required_boundary(boundary: Option<&str>) -> Result<&str, BodyError> {
    boundary.ok_or_else(|| BodyError::Malformed { kind: MULTIPART, detail: "the Content-Type has no boundary".to_owned() })
}

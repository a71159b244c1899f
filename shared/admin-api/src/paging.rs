//! Pages of listings.

use crate::text::NameText;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Maximum rows of one page.
pub const MAX_PAGE: u32 = 1000;

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows of the page.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null: this is the last.
    pub next: Option<String>,
}

/// A page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Maximum rows on a page, 1 to 1000; by default 100
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// The `next` of the page before
    pub cursor: Option<String>,
}

/// A page of a listing that may be narrowed to one tenant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only this tenant's
    #[param(inline)]
    pub tenant: Option<NameText>,
    /// Maximum rows on a page, 1 to 1000; by default 100
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// The `next` of the page before
    pub cursor: Option<String>,
}

impl ListQuery {
    /// Every row of a tenant, or of all tenants.
    #[must_use]
    pub fn of(tenant: Option<NameText>) -> Self {
        Self { tenant, ..Self::default() }
    }
}

/// A query of a listing that comes in pages.
pub trait Paged {
    /// Returns the maximum rows, and the `next` of the page before.
    fn page(&self) -> PageQuery;

    /// Selects another page.
    fn set_page(&mut self, page: PageQuery);
}

/// Implements [`Paged`] for queries with the fields `limit` and `cursor`.
macro_rules! paged {
    ($($query:ty),+ $(,)?) => {$(
        impl $crate::Paged for $query {
            fn page(&self) -> $crate::PageQuery {
                $crate::PageQuery { limit: self.limit, cursor: self.cursor.clone() }
            }

            fn set_page(&mut self, page: $crate::PageQuery) {
                (self.limit, self.cursor) = (page.limit, page.cursor);
            }
        }
    )+};
}
pub(crate) use paged;

/// Declares a filter, and the query of its pages: the filter's fields, `limit` and `cursor`. The fields stand side by side, since the
/// `flatten` of serde would take unknown ones.
macro_rules! filter_with_pages {
    (
        $(#[$about_filter:meta])* $filter:ident, $(#[$about_query:meta])* $query:ident, cursor: $cursor:literal,
        { $($(#[$about:meta])* $field:ident: $kind:ty,)+ }
    ) => {
        $(#[$about_filter])*
        #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, IntoParams)]
        #[serde(deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub struct $filter {
            $($(#[$about])* pub $field: $kind,)+
        }

        $(#[$about_query])*
        #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, IntoParams)]
        #[serde(deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub struct $query {
            $($(#[$about])* pub $field: $kind,)+
            /// Maximum rows on a page, 1 to 1000; by default 100
            #[param(minimum = 1, maximum = 1000)]
            pub limit: Option<u32>,
            /// The `next` of the page before
            #[param(pattern = $cursor)]
            pub cursor: Option<String>,
        }

        $crate::paging::paged!($query);

        impl $query {
            /// Returns the filter, without the page.
            #[must_use]
            pub fn filter(&self) -> $filter {
                let Self { $($field,)+ .. } = self.clone();
                $filter { $($field),+ }
            }
        }

        impl From<$filter> for $query {
            fn from(filter: $filter) -> Self {
                let $filter { $($field),+ } = filter;
                Self { $($field,)+ limit: None, cursor: None }
            }
        }
    };
}
pub(crate) use filter_with_pages;

paged!(PageQuery, ListQuery);

/// Confirmation that something was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deleted {
    /// Always true.
    pub deleted: bool,
}

//! Pages in their frame.

use super::error::html_of;
use crate::auth::Caller;
use crate::guard::DidNothing;
use crate::view::page::{Frame, Section, page};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use forebay_store::Role;
use maud::Markup;

/// Marks the response to a form that has changed nothing: loading it again changes nothing either.
pub(super) fn did_nothing(mut response: HttpResponse) -> HttpResponse {
    response.extensions_mut().insert(DidNothing);
    response
}

/// Returns a page without navigation.
pub(super) fn bare(markup: Markup) -> HttpResponse {
    html_of(&mut HttpResponse::Ok(), markup)
}

/// A page with navigation.
pub(super) struct Framed<'a> {
    frame: Frame<'a>,
}

impl<'a> Framed<'a> {
    pub(super) fn new(caller: &'a Caller, section: Section, title: &'a str) -> Self {
        let visible = caller.actor.tenants(Role::Viewer);
        let frame = Frame {
            title,
            section,
            lead: "",
            above: &[],
            user: caller.actor.name(),
            administers: caller.actor.may_everywhere(Role::Administrator).is_ok(),
            reads_audit: caller.actor.grants().strongest() == Some(Role::Administrator),
            halted: caller.state.halted(&visible),
            live: "",
            has_editor: false,
        };
        Self { frame }
    }

    /// Sets the text under the heading.
    pub(super) fn lead(mut self, lead: &'a str) -> Self {
        self.frame.lead = lead;
        self
    }

    /// Sets the pages above this one.
    pub(super) fn above(mut self, above: &'a [(String, String)]) -> Self {
        self.frame.above = above;
        self
    }

    /// Follows the events at this address.
    pub(super) fn live(mut self, source: &'a str) -> Self {
        self.frame.live = source;
        self
    }

    pub(super) fn with_editor(mut self) -> Self {
        self.frame.has_editor = true;
        self
    }

    pub(super) fn show(self, head: &Markup, content: &Markup) -> HttpResponse {
        self.show_as(StatusCode::OK, head, content)
    }

    /// Returns the page with another status: a field of the form is not valid, and the page says why.
    pub(super) fn show_as(mut self, status: StatusCode, head: &Markup, content: &Markup) -> HttpResponse {
        if status != StatusCode::OK {
            // The response to a form has no address that the page could fetch again.
            self.frame.live = "";
        }
        html_of(&mut HttpResponse::build(status), page(&self.frame, head, content))
    }
}

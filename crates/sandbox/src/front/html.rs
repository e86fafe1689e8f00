//! The pages of the front end. All but the branded one share one template (observed).

use runaccess_domain::printable::in_html;

/// The page of Google's own servers: its title, its parts and its size as observed, with a style of
/// the sandbox's own.
const BRANDED: &str = include_str!("branded.html");

/// What a page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// That of Google's own servers, for what never reaches a service.
    Branded,
    Forbidden,
    /// Identity-Aware Proxy's, whose wording is not certain.
    IapDenied,
    Moved,
    NotFound,
    /// For what no page of Google's is known of: the text of the error.
    Plain,
    Unauthorized,
}

impl Page {
    /// The page in HTML; `about` is the path that was asked for, or what else there is to say.
    pub(crate) fn render(self, status: u16, about: &str) -> String {
        let about = in_html(about);
        match self {
            Self::Branded => BRANDED.replace("{path}", &about),
            Self::Forbidden if status == 403 => templated(
                "403 Forbidden",
                "Forbidden",
                &format!(
                    "Your client does not have permission to get URL <code>{about}</code> from \
                     this server."
                ),
            ),
            Self::Forbidden if status == 404 => Self::NotFound.render(status, &about),
            Self::Forbidden | Self::Unauthorized => templated(
                "401 Unauthorized",
                "Unauthorized",
                &format!(
                    "Your client does not have permission to the requested URL <code>{about}</code>."
                ),
            ),
            Self::IapDenied => {
                "<!DOCTYPE html>\n<html><head><title>Access Denied</title></head>\n<body>\n\
                 <h1>You don't have access</h1>\n<p>Your account is not allowed to open this page \
                 by Identity-Aware Proxy.</p>\n</body></html>\n"
                    .to_owned()
            }
            Self::Moved => templated(
                &format!("{status} Moved"),
                "Moved",
                &format!("The document has moved <a href=\"{about}\">here</a>."),
            ),
            Self::NotFound if status == 403 => {
                templated("403 Forbidden", "Forbidden", "Access is forbidden.")
            }
            Self::NotFound => templated(
                "404 Page not found",
                "Page not found",
                "The requested URL was not found on this server.",
            ),
            Self::Plain => {
                let name = http::StatusCode::from_u16(status).ok();
                let name = name.and_then(|status| status.canonical_reason()).unwrap_or("Error");
                templated(&format!("{status} {name}"), name, &about)
            }
        }
    }
}

fn templated(title: &str, heading: &str, text: &str) -> String {
    format!(
        "\n<html><head>\n<meta http-equiv=\"content-type\" content=\"text/html;charset=utf-8\">\n\
         <title>{title}</title>\n</head>\n<body text=#000000 bgcolor=#ffffff>\n\
         <h1>Error: {heading}</h1>\n<h2>{text}</h2>\n<h2></h2>\n</body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_an_unknown_host_has_the_length_that_was_observed() {
        assert_eq!(Page::NotFound.render(404, "/").len(), 272);
    }

    #[test]
    fn a_path_is_no_markup() {
        assert!(!Page::Forbidden.render(403, "/<script>").contains("<script>"));
    }
}

//! The token.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::answer::{self, Said};
use super::{Credentials, Pia};
use crate::context::{Context, Step};
use crate::fault::Fault;
use crate::http::{Request, Response};
use crate::log;
use crate::secret::Secret;
use crate::state::Token;

/// A token is good for about 24 hours; a new one is asked for a little earlier.
const LIFE: Duration = Duration::from_secs(20 * 60 * 60);

#[derive(Deserialize)]
struct Answer {
    token: Secret,
}

impl Pia {
    /// Have a token: the stored one if it is not too old, else a new one.
    pub(super) fn log_in(&mut self, context: &mut Context) -> Result<Secret, Fault> {
        context.enter(Step::Token)?;
        let file = self.credentials_file();
        let credentials = Credentials::read(&file).map_err(Fault::Local)?;
        let user = user_mark(&credentials);
        let now = context.clock.wall();
        if let Some(token) = &context.store.state().token {
            let age = now.duration_since(token.obtained).ok();
            if token.user == user && age.is_some_and(|age| age < LIFE) {
                return Ok(token.token.clone());
            }
        }
        let token = match self.ask_for_token(&credentials) {
            Err(fault) if is_worth_another_way(&fault) => self.ask_meta_servers(context, &credentials, fault)?,
            other => other?,
        };
        let stored = Token { token: token.clone(), obtained: now, user };
        context.store.change(|state| state.token = Some(stored));
        Ok(token)
    }

    /// Do something that needs a token; if the token is not accepted, once more with a new one.
    pub(super) fn with_new_token<T>(
        &mut self,
        context: &mut Context,
        mut attempt: impl FnMut(&mut Self, &mut Context) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        match attempt(self, context) {
            Err(Fault::TokenRefused { what }) => {
                log::info!("{what} does not accept the token; a new one is asked for");
                let step = context.step();
                context.store.change(|state| state.token = None);
                self.log_in(context)?;
                context.enter(step)?;
                attempt(self, context)
            }
            other => other,
        }
    }

    fn ask_for_token(&self, credentials: &Credentials) -> Result<Secret, Fault> {
        let url = &self.config.api.token_url;
        let fields = [("username", credentials.user.reveal()), ("password", credentials.password.reveal())];
        let target = self.public(url);
        let response = self.client.send(&target, &Request::post_form(&url.path, &fields))?;
        self.read_token(&target.describe(), &response)
    }

    fn ask_meta_servers(
        &self,
        context: &mut Context,
        credentials: &Credentials,
        first: Fault,
    ) -> Result<Secret, Fault> {
        for target in self.meta_servers(context) {
            // Feeds the watchdog, too.
            context.enter(Step::Token)?;
            log::warning!("{first}; asking {} for a token", target.describe());
            let request = Request::get(&self.config.api.meta_token_path, &[]).authorized(basic(credentials));
            match self.client.send(&target, &request).and_then(|answer| self.read_token(&target.describe(), &answer)) {
                Err(fault) if is_worth_another_way(&fault) => log::warning!("{fault}"),
                other => return other,
            }
        }
        Err(first)
    }

    fn read_token(&self, what: &str, response: &Response) -> Result<Secret, Fault> {
        let said = Said::of(response);
        if let Some(fault) = answer::common_fault(what, response, &said) {
            return Err(fault);
        }
        if response.status == 401 || (said.status.eq_ignore_ascii_case("error") && said.refuses_login(response.status))
        {
            return Err(Fault::LoginRefused { file: self.config.credentials_file.display().to_string() });
        }
        if response.status != 200 || said.status.eq_ignore_ascii_case("error") {
            return Err(answer::refused(what, response, &said));
        }
        let token = answer::parse::<Answer>(what, response)?.token;
        // It goes into headers and URLs.
        if token.reveal().is_empty() || !token.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
            let reason = "its token is empty or has odd characters".to_owned();
            return Err(Fault::Damaged { what: what.to_owned(), reason });
        }
        Ok(token)
    }
}

/// Whether the fault is one of this way to the provider, rather than an answer.
pub(super) fn is_worth_another_way(fault: &Fault) -> bool {
    match fault {
        Fault::Timeout { .. }
        | Fault::Unreachable { .. }
        | Fault::ConnectionRefused { .. }
        | Fault::Untrusted { .. }
        | Fault::Damaged { .. }
        | Fault::ListSignature { .. } => true,
        Fault::Refused { status, .. } => *status >= 500 || *status == 403 || *status == 404,
        _ => false,
    }
}

fn basic(credentials: &Credentials) -> Secret {
    let pair = Secret::new(format!("{}:{}", credentials.user.reveal(), credentials.password.reveal()));
    Secret::new(format!("Basic {}", STANDARD.encode(pair.reveal())))
}

/// Tells whose a token is, so that it is not used for another account.
fn user_mark(credentials: &Credentials) -> u64 {
    let mut hasher = DefaultHasher::new();
    credentials.user.reveal().hash(&mut hasher);
    hasher.finish()
}

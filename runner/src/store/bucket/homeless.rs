//! AWS's credentials as its tools find them, but for those that nobody named: files in the user's home folder.

use std::collections::HashMap;
use std::path::PathBuf;

use reqsign_aws_v4::{Credential, DefaultCredentialProvider};
use reqsign_core::{Context, Env, OsEnv, ProvideCredential, ProvideCredentialChain};

/// What takes the place of the usual providers.
pub(super) fn providers() -> ProvideCredentialChain<Credential> {
    ProvideCredentialChain::new().push(Homeless(DefaultCredentialProvider::new()))
}

/// The usual providers, which are told of no home folder.
#[derive(Debug)]
struct Homeless(DefaultCredentialProvider);

impl ProvideCredential for Homeless {
    type Credential = Credential;

    async fn provide_credential(
        &self,
        context: &Context,
    ) -> reqsign_core::Result<Option<Credential>> {
        let context = context.clone().with_env(NoHome);
        self.0.provide_credential(&context).await
    }
}

/// The process's environment. What it names, such as `AWS_SHARED_CREDENTIALS_FILE`, was given on purpose.
#[derive(Debug)]
struct NoHome;

impl Env for NoHome {
    fn var(&self, key: &str) -> Option<String> {
        OsEnv.var(key)
    }

    fn vars(&self) -> HashMap<String, String> {
        OsEnv.vars()
    }

    fn home_dir(&self) -> Option<PathBuf> {
        None
    }
}

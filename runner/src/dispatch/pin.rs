//! One campaign, one version of the job: a job that is registered again half-way is noticed.

use super::answers::Job;
use super::api::{Api, Dispatched};
use super::campaign::Campaign;
use super::error::DispatchError;

/// The version of the job, in one region, that all work is dispatched of.
pub struct Pin<'a> {
    campaign: &'a Campaign,
    job: Job,
}

impl<'a> Pin<'a> {
    /// # Errors
    /// When the job is not fit for the campaign, or has not the version that was asked for.
    pub async fn new(
        api: &Api,
        campaign: &'a Campaign,
        region: Option<&'a str>,
    ) -> Result<Self, DispatchError> {
        let job = api.job(region, &campaign.job).await?;
        campaign.check(&job)?;
        if let Some(asked) = campaign.job_version.filter(|asked| *asked != job.version) {
            return Err(DispatchError::OtherVersion {
                job: campaign.job.clone(),
                region: job.region,
                asked,
                now: job.version,
            });
        }
        Ok(Self { campaign, job })
    }

    /// Whether the job is still the one that the first of this work was dispatched of.
    ///
    /// # Errors
    /// When it is not, with how many were `dispatched` by then.
    pub async fn check(&self, api: &Api, dispatched: usize) -> Result<(), DispatchError> {
        let job = api.job(Some(self.region()), &self.campaign.job).await?;
        if job.version == self.job.version {
            return Ok(());
        }
        Err(DispatchError::RegisteredAgain {
            job: self.campaign.job.clone(),
            region: self.job.region.clone(),
            pinned: self.job.version,
            now: job.version,
            dispatched,
        })
    }

    /// Whether what an earlier command dispatched is of this version too. Nomad does not say which one it was, but a
    /// dispatched job is a copy.
    ///
    /// # Errors
    /// When it is another, and the user did not ask for this version by name.
    pub async fn check_earlier(
        &self,
        api: &Api,
        dispatched: &Dispatched,
        label: &str,
    ) -> Result<(), DispatchError> {
        if self.campaign.job_version.is_some()
            || dispatched.create_index > self.job.job_modify_index
        {
            return Ok(());
        }
        let now = api.specification(self.region(), &self.campaign.job).await?;
        let then = api.specification(self.region(), &dispatched.job).await?;
        if now == then {
            return Ok(());
        }
        Err(DispatchError::EarlierVersion {
            job: self.campaign.job.clone(),
            region: self.job.region.clone(),
            now: self.job.version,
            version: label.to_owned(),
        })
    }

    /// The name of the region, also where none was asked for.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.job.region
    }

    /// The job as it is registered.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }
}

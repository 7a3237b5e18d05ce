//! Settings that stay where others are given over them, and what of a bound is lifted on the way: for who writes a server's command line
//! anew.

use super::layer::Layer;

impl Layer {
    /// What is given here, and of what was there before, all that doesn't contradict it.
    #[must_use]
    pub fn keeping(self, mut had: Self) -> Self {
        let names_credential = self.api_key_file.is_some() || self.profile.is_some() || self.profiles.is_some();
        let becomes_sandbox = self.sandbox == Some(true) && had.sandbox != Some(true);
        if names_credential || becomes_sandbox {
            (had.api_key_file, had.profile, had.profiles) = (None, None, None);
        }
        if becomes_sandbox {
            had.api_host = None;
        }
        if self.sandbox == Some(false) || self.api_host.is_some() && self.sandbox.is_none() {
            had.sandbox = None;
            had.sandbox_dir = None;
            had.sandbox_postgres = None;
            had.sandbox_rate_limits = None;
            had.sandbox_project = None;
            had.postgres_bin = None;
            had.fetch_postgres = None;
        }
        self.over(had)
    }

    /// What bounded an agent before and doesn't any more, in words. A settings file's own bounds aren't looked at.
    #[must_use]
    pub fn lifted(&self, had: &Self) -> Vec<String> {
        let is_on = |setting: Option<bool>| setting == Some(true);
        let mut lifted = Vec::new();
        if is_on(had.read_only) && !is_on(self.read_only) {
            lifted.push("--read-only goes: the agent may change things".to_owned());
        }
        if is_on(had.sandbox) && !is_on(self.sandbox) {
            lifted.push("--sandbox goes: the agent reaches your account at Neon".to_owned());
        }
        let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
        for (flag, before, now) in [
            ("--project-id", had.project_id.clone(), self.project_id.clone()),
            ("--branch", had.branch.clone(), self.branch.clone()),
            ("--role", had.role.clone(), self.role.clone()),
            ("--database", had.database.clone(), self.database.clone()),
            ("--policy", path(&had.policy), path(&self.policy)),
            ("--config", path(&had.config), path(&self.config)),
        ] {
            match (before, now) {
                (Some(before), None) => lifted.push(format!("{flag} {before} goes: it bounds nothing any more")),
                (Some(before), Some(now)) if before != now => {
                    lifted.push(format!("{flag} is {now}, in place of {before}"));
                }
                _ => {}
            }
        }
        if let Some(before) = &had.toolsets {
            match &self.toolsets {
                None => lifted.push(format!(
                    "--toolsets {} goes: the default toolsets are offered",
                    before.join(",")
                )),
                Some(now) if now.iter().any(|name| !before.contains(name)) => {
                    lifted.push(format!(
                        "--toolsets is {}, in place of {}",
                        now.join(","),
                        before.join(",")
                    ));
                }
                Some(_) => {}
            }
        }
        let excluded = self.exclude_tools.as_deref().unwrap_or_default();
        let offered: Vec<&str> = had.exclude_tools.iter().flatten().map(String::as_str).collect();
        let offered: Vec<&str> = offered
            .into_iter()
            .filter(|name| !excluded.iter().any(|one| one == name))
            .collect();
        if !offered.is_empty() {
            lifted.push(format!(
                "{} may be offered again: --exclude-tools had it",
                offered.join(",")
            ));
        }
        lifted
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Given {
        #[command(flatten)]
        layer: Layer,
    }

    fn layer(words: &[&str]) -> Layer {
        Given::try_parse_from([&["x"], words].concat()).unwrap().layer
    }

    #[test]
    fn settings_that_are_not_given_stay_and_contradictions_go() {
        for (given, had, expected) in [
            (
                &["--discovery"][..],
                &["--read-only"][..],
                &["--read-only", "--discovery"][..],
            ),
            (&["--profile=b"], &["--api-key-file=/k"], &["--profile=b"]),
            (
                &["--sandbox=false"],
                &["--sandbox", "--sandbox-dir=/d"],
                &["--sandbox=false"],
            ),
            (&["--sandbox"], &["--api-host=https://x/api/v2"], &["--sandbox"]),
            (
                &["--sandbox-dir=/d"],
                &["--sandbox"],
                &["--sandbox", "--sandbox-dir=/d"],
            ),
        ] {
            let kept = layer(given).keeping(layer(had));
            assert_eq!(
                kept.arguments().unwrap(),
                layer(expected).arguments().unwrap(),
                "{given:?}"
            );
        }
    }

    #[test]
    fn every_bound_that_goes_is_told() {
        let had = [
            "--read-only",
            "--sandbox",
            "--project-id=p",
            "--branch=b",
            "--role=r",
            "--database=d",
            "--toolsets=sql",
            "--exclude-tools=run_sql",
            "--policy=/p",
            "--config=/c",
        ];
        for one in had {
            let flag = one.split('=').next().unwrap();
            let told = Layer::default().lifted(&layer(&[one]));
            assert!(told.len() == 1 && told[0].contains(flag), "{one}: {told:?}");
            assert!(layer(&[one]).lifted(&layer(&[one])).is_empty(), "{one}");
        }
        let wider = layer(&["--toolsets=sql,branches", "--project-id=q"]);
        assert_eq!(wider.lifted(&layer(&["--toolsets=sql", "--project-id=p"])).len(), 2);
        assert!(
            layer(&["--toolsets=sql"])
                .lifted(&layer(&["--toolsets=sql,branches"]))
                .is_empty()
        );
    }
}

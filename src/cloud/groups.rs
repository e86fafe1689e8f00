//! Group membership, from Cloud Identity.

use std::collections::BTreeMap;

use serde_json::Value;

use super::api::Api;
use super::gateway::Gateway;
use super::request::Read;
use crate::domain::deny::DenyRule;
use crate::domain::evidence::{Groups, Members, PolicyLayer, groups_of, named_in};
use crate::domain::invokers::Grant;
use crate::domain::member::{Member, MemberKind};
use crate::transport::encoded;

/// The label of groups that have a mail address: the only groups that IAM accepts (documented).
const DISCUSSION: &str = "cloudidentity.googleapis.com/groups.discussion_forum";

/// The maximum number of group members that are evaluated one by one.
const MOST_JUDGED: usize = 200;

/// The addresses of a member's groups, from a search; `None` if the caller may not search.
pub(super) type Memberships = Option<Vec<String>>;

impl Gateway {
    /// The groups that contain a member, directly or through other groups, by one search. The
    /// search works for accounts only, requires a paid edition, and requires permission to view all
    /// of these groups (documented).
    pub(super) async fn memberships(&self, caller: Option<&Member>) -> Memberships {
        let caller = caller.filter(|caller| caller.is_account())?;
        let query = format!("member_key_id == '{}' && '{DISCUSSION}' in labels", caller.address());
        let call = format!("look up the groups of `{caller}`");
        let (mut found, mut page) = (Vec::new(), String::new());
        loop {
            let query =
                encoded(&[("query", query.as_str()), ("pageSize", "1000"), ("pageToken", &page)]);
            let path = "/v1/groups/-/memberships:searchTransitiveGroups";
            let read = Read::of(Api::CloudIdentity, &call, path).with_query(&query);
            let answer: Value = self.told(read).await.ok()?;
            let groups = answer["memberships"].as_array().into_iter().flatten();
            let keys = groups.filter_map(|group| group["groupKey"]["id"].as_str());
            found.extend(keys.map(str::to_lowercase));
            match answer["nextPageToken"].as_str().filter(|token| !token.is_empty()) {
                Some(next) => next.clone_into(&mut page),
                None => return Some(found),
            }
        }
    }

    /// The members of a group, directly or through other groups; `None` if they may not be read.
    pub(super) async fn members_of(&self, group: &str) -> Option<Members> {
        let call = format!("list who is in the group `{group}`");
        let memberships = self.memberships_path(&call, group).await?;
        let (mut read, mut are_all) = (Vec::new(), true);
        let list = self.each_member(&call, &memberships, |member| {
            // The list contains a nested group's own members too.
            let is_group = member["member"].as_str().is_some_and(|m| m.starts_with("groups/"));
            match ids(member).next() {
                _ if is_group => {}
                Some(_) if read.len() == MOST_JUDGED => are_all = false,
                Some(id) => read.push(Member::of_account(id)),
                None => are_all = false,
            }
            are_all || read.len() < MOST_JUDGED
        });
        list.await?;
        Some(Members { read, are_all })
    }

    /// The direct groups of an account that are the given group or are contained in it: the paths
    /// of its membership. `None` if they may not be read.
    pub async fn membership_paths(&self, group: &str, account: &Member) -> Option<Vec<String>> {
        let query = format!("member_key_id == '{}' && '{DISCUSSION}' in labels", account.address());
        let call = format!("look up the groups of `{account}`");
        let path = "/v1/groups/-/memberships:searchDirectGroups";
        let query = [("query", query.as_str()), ("pageSize", "1000")];
        let found = self.of_groups(&call, path, &query).await?;
        let direct = found["memberships"].as_array().into_iter().flatten();
        let direct = direct.filter_map(|group| group["groupKey"]["id"].as_str());
        let mut ways = Vec::new();
        for one in direct {
            let nested = Member::from_policy(format!("group:{one}"));
            if one.eq_ignore_ascii_case(group) || self.holds(group, &nested, None).await? {
                ways.push(one.to_owned());
            }
        }
        Some(ways)
    }

    /// Reads a resource of Cloud Identity; `None` if that is not permitted or fails.
    async fn of_groups(&self, call: &str, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let query = encoded(query);
        self.told(Read::of(Api::CloudIdentity, call, path).with_query(&query)).await.ok()
    }

    /// The path of a group's memberships, by the group's address.
    async fn memberships_path(&self, call: &str, group: &str) -> Option<String> {
        let found = self.of_groups(call, "/v1/groups:lookup", &[("groupKey.id", group)]).await?;
        Some(format!("/v1/{}/memberships", found["name"].as_str()?))
    }

    /// Passes each member of a group, direct or through other groups, to `take` until it returns
    /// `false`. `None` if the list could not be read that far.
    async fn each_member(
        &self,
        call: &str,
        memberships: &str,
        mut take: impl FnMut(&Value) -> bool,
    ) -> Option<()> {
        let path = format!("{memberships}:searchTransitiveMemberships");
        let list = self.told_pages((Api::CloudIdentity, call, &path), |page| {
            page["memberships"].as_array().into_iter().flatten().all(&mut take)
        });
        list.await.ok()
    }

    /// Whether the caller is a member of each group in these policies.
    pub(super) async fn groups<'a>(
        &self,
        caller: &Member,
        memberships: Memberships,
        allow: impl Iterator<Item = &'a PolicyLayer<Grant>>,
        deny: &'a [PolicyLayer<DenyRule>],
    ) -> Groups {
        let met = groups_of(named_in(allow, deny));
        let key = caller.key();
        let holds = met.iter().map(|group| self.holds(group, caller, memberships.as_deref()));
        let holds = futures::future::join_all(holds).await;
        met.iter().map(|group| (group.clone(), key.clone())).zip(holds).collect::<BTreeMap<_, _>>()
    }

    /// Whether a group contains the caller. The search covers the groups of the member's own
    /// customer; for other groups, or if there was no search, the group itself is asked.
    async fn holds(
        &self,
        group: &str,
        caller: &Member,
        memberships: Option<&[String]>,
    ) -> Option<bool> {
        let domain = |address: &str| address.rsplit('@').next().unwrap_or_default().to_lowercase();
        match memberships {
            Some(groups) if groups.iter().any(|known| known == group) => return Some(true),
            Some(_) if domain(group) == domain(caller.address()) => return Some(false),
            _ => {}
        }
        let by_address = matches!(
            caller.kind(),
            MemberKind::User | MemberKind::ServiceAccount | MemberKind::Group
        );
        if !by_address {
            // Federated identities have no address to ask a group about.
            return None;
        }
        let call = format!("look into the group `{group}`");
        let memberships = self.memberships_path(&call, group).await?;
        let key = caller.address();
        let query = format!("member_key_id == '{key}'");
        let path = format!("{memberships}:checkTransitiveMembership");
        let check = self.of_groups(&call, &path, &[("query", &query)]).await;
        match check.map(|answer| answer["hasMembership"] == true) {
            Some(true) => return Some(true),
            // The check covers only what the caller may view (documented), so "no" requires the
            // whole list.
            Some(false) => {
                let mut is_in = false;
                let list = self.each_member(&call, &memberships, |member| {
                    is_in = ids(member).any(|id| id.eq_ignore_ascii_case(key));
                    !is_in
                });
                list.await?;
                return Some(is_in);
            }
            None => {}
        }
        // Without a paid edition, only direct membership can be read. A principal that is not a
        // direct member may still be a member through another group.
        let path = format!("{memberships}:lookup");
        self.of_groups(&call, &path, &[("memberKey.id", key)]).await.map(|_| true)
    }
}

/// The addresses of a membership's member.
fn ids(membership: &Value) -> impl Iterator<Item = &str> {
    let keys = membership["preferredMemberKey"].as_array().into_iter().flatten();
    keys.filter_map(|key| key["id"].as_str())
}

//! Who is in which group, by Cloud Identity.

use std::collections::BTreeMap;

use serde_json::Value;

use super::api::Api;
use super::gateway::Gateway;
use super::reading::Read;
use crate::domain::deny::DenyRule;
use crate::domain::evidence::{Groups, Layered, groups_of};
use crate::domain::invokers::Grant;
use crate::domain::member::{Member, MemberKind};
use crate::transport::encoded;

/// The label of groups that addresses can be written to, which are those that IAM takes (documented).
const DISCUSSION: &str = "cloudidentity.googleapis.com/groups.discussion_forum";

/// So many members of a group are judged one by one.
const MOST_JUDGED: usize = 200;

/// What a search for a member's groups said: their addresses, where it may be asked.
pub(super) type Memberships = Option<Vec<String>>;

impl Gateway {
    /// The groups that a member is in, directly or through others, by one search. It is for accounts
    /// alone, it comes with paid editions, and it takes that all of these groups may be looked into
    /// (documented).
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

    /// Everybody who is in a group, directly or through others; `None` where that may not be read, or they
    /// are too many to be judged one by one.
    pub async fn members_of(&self, group: &str) -> Option<Vec<Member>> {
        let call = format!("list who is in the group `{group}`");
        let ask = async |path: String, query: String| -> Option<Value> {
            self.told(Read::of(Api::CloudIdentity, &call, &path).with_query(&query)).await.ok()
        };
        let found = ask("/v1/groups:lookup".to_owned(), encoded(&[("groupKey.id", group)])).await?;
        let path =
            format!("/v1/{}/memberships:searchTransitiveMemberships", found["name"].as_str()?);
        let (mut members, mut page) = (Vec::new(), String::new());
        loop {
            let query = encoded(&[("pageSize", "1000"), ("pageToken", &page)]);
            let list = ask(path.clone(), query).await?;
            for member in list["memberships"].as_array().into_iter().flatten() {
                // A group in it is told by its own members.
                let is_group = member["member"].as_str().is_some_and(|m| m.starts_with("groups/"));
                let keys = member["preferredMemberKey"].as_array().into_iter().flatten();
                let mut ids = keys.filter_map(|key| key["id"].as_str());
                if let Some(id) = ids.next().filter(|_| !is_group) {
                    members.push(Member::of_account(id));
                }
            }
            if members.len() > MOST_JUDGED {
                return None;
            }
            match list["nextPageToken"].as_str().filter(|token| !token.is_empty()) {
                Some(next) => next.clone_into(&mut page),
                None => return Some(members),
            }
        }
    }

    /// Whether the caller is in each group that was met in these policies.
    pub(super) async fn groups(
        &self,
        caller: &Member,
        memberships: Memberships,
        allow: impl Iterator<Item = &Layered<Grant>>,
        deny: &[Layered<DenyRule>],
    ) -> Groups {
        let granted = allow.flat_map(|layer| layer.read.iter().flatten());
        let rules = deny.iter().flat_map(|layer| layer.read.iter().flatten());
        let denied = rules.flat_map(|rule: &DenyRule| {
            rule.denied_principals.iter().chain(&rule.exception_principals)
        });
        let met = groups_of(granted.map(|grant| &grant.member).chain(denied));
        let key = caller.key();
        let holds = met.iter().map(|group| self.holds(group, caller, memberships.as_deref()));
        let holds = futures::future::join_all(holds).await;
        met.iter().map(|group| (group.clone(), key.clone())).zip(holds).collect::<BTreeMap<_, _>>()
    }

    /// Whether a group holds the caller. The search tells of the groups of the member's own customer;
    /// of others, and where there was none, the group itself is asked.
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
            // Federated identities have no address by which a group could be asked.
            return None;
        }
        let call = format!("look into the group `{group}`");
        let ask = async |path: String, query: String| -> Option<Value> {
            self.told(Read::of(Api::CloudIdentity, &call, &path).with_query(&query)).await.ok()
        };
        let found = ask("/v1/groups:lookup".to_owned(), encoded(&[("groupKey.id", group)])).await?;
        let memberships = format!("/v1/{}/memberships", found["name"].as_str()?);
        let key = caller.address();
        let query = encoded(&[("query", &format!("member_key_id == '{key}'"))]);
        let check = ask(format!("{memberships}:checkTransitiveMembership"), query).await;
        match check.map(|answer| answer["hasMembership"] == true) {
            Some(true) => return Some(true),
            // It tells of what may be seen alone (documented): the whole list must say no.
            Some(false) => {
                let mut page = String::new();
                loop {
                    let query = encoded(&[("pageSize", "1000"), ("pageToken", &page)]);
                    let path = format!("{memberships}:searchTransitiveMemberships");
                    let list = ask(path, query).await?;
                    let members = list["memberships"].as_array().into_iter().flatten();
                    let mut keys = members.flat_map(|member| {
                        member["preferredMemberKey"].as_array().into_iter().flatten()
                    });
                    if keys.any(|other| {
                        other["id"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(key))
                    }) {
                        return Some(true);
                    }
                    match list["nextPageToken"].as_str().filter(|token| !token.is_empty()) {
                        Some(next) => next.clone_into(&mut page),
                        None => return Some(false),
                    }
                }
            }
            None => {}
        }
        // Without a paid edition, who is in it directly can still be told; who is not, may be so
        // through another group.
        let query = encoded(&[("memberKey.id", key)]);
        ask(format!("{memberships}:lookup"), query).await.map(|_| true)
    }
}

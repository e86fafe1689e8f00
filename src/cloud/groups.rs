//! Membership of groups, from Cloud Identity.

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

/// The label of groups that addresses can be written to, which are those that IAM takes (documented).
const DISCUSSION: &str = "cloudidentity.googleapis.com/groups.discussion_forum";

/// So many members of a group are judged one by one, at most.
const MOST_JUDGED: usize = 200;

/// What a search for a member's groups said: their addresses, if it may be asked.
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

    /// Who is in a group, directly or through others; `None` if that may not be read.
    pub(super) async fn members_of(&self, group: &str) -> Option<Members> {
        let call = format!("list who is in the group `{group}`");
        let memberships = self.memberships_path(&call, group).await?;
        let (mut read, mut are_all) = (Vec::new(), true);
        let list = self.each_member(&call, &memberships, |member| {
            // A group in it is told by its own members.
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

    /// The groups by which an account is in a group: those it is in directly, and that are the group or are
    /// in it. `None` if that may not be read.
    pub async fn ways_into(&self, group: &str, account: &Member) -> Option<Vec<String>> {
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

    /// Reads something of Cloud Identity; `None` if that may not be.
    async fn of_groups(&self, call: &str, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let query = encoded(query);
        self.told(Read::of(Api::CloudIdentity, call, path).with_query(&query)).await.ok()
    }

    /// Where the memberships of a group are, by its address.
    async fn memberships_path(&self, call: &str, group: &str) -> Option<String> {
        let found = self.of_groups(call, "/v1/groups:lookup", &[("groupKey.id", group)]).await?;
        Some(format!("/v1/{}/memberships", found["name"].as_str()?))
    }

    /// Hands over everybody who is in a group, directly or through others, until `take` has enough.
    /// `None` if the list could not be read to there.
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

    /// Whether the caller is in each group that was met in these policies.
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

    /// Whether a group holds the caller. The search tells of the groups of the member's own customer;
    /// of others, and if there was none, the group itself is asked.
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
        let memberships = self.memberships_path(&call, group).await?;
        let key = caller.address();
        let query = format!("member_key_id == '{key}'");
        let path = format!("{memberships}:checkTransitiveMembership");
        let check = self.of_groups(&call, &path, &[("query", &query)]).await;
        match check.map(|answer| answer["hasMembership"] == true) {
            Some(true) => return Some(true),
            // It tells of what may be seen alone (documented): the whole list must say no.
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
        // Without a paid edition, who is in it directly can still be told; who is not, may be so
        // through another group.
        let path = format!("{memberships}:lookup");
        self.of_groups(&call, &path, &[("memberKey.id", key)]).await.map(|_| true)
    }
}

/// The addresses of who a membership is of.
fn ids(membership: &Value) -> impl Iterator<Item = &str> {
    let keys = membership["preferredMemberKey"].as_array().into_iter().flatten();
    keys.filter_map(|key| key["id"].as_str())
}

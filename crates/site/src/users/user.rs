//! Somebody who was let in.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::role::Role;

/// Somebody who was let in, with what he may do. A copy of what the configuration said then; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name; empty for whoever comes where nobody is asked.
    pub name: Arc<str>,
    roles: Arc<BTreeMap<String, Role>>,
}

impl User {
    /// Somebody who is called `name` and has these roles, by the name of the camera; `"*"` stands for all cameras.
    pub fn new(name: &str, roles: BTreeMap<String, Role>) -> Self {
        Self { name: name.into(), roles: Arc::new(roles) }
    }

    /// Whoever comes, where nobody is asked: may watch everything.
    pub fn anyone() -> Self {
        Self::new("", BTreeMap::from([(ALL.to_owned(), Role::Viewer)]))
    }

    /// What he may do with the camera called `camera`, the role of all cameras (`"*"`) counted in; `None` is nothing.
    pub fn role(&self, camera: &str) -> Option<Role> {
        self.roles.get(camera).copied().max(self.service_role())
    }

    /// Whether he may do with `camera` what `role` may.
    pub fn may(&self, role: Role, camera: &str) -> bool {
        self.role(camera) >= Some(role)
    }

    /// What he may do with all cameras, and so with the service.
    pub fn service_role(&self) -> Option<Role> {
        self.roles.get(ALL).copied()
    }
}

/// Stands for all cameras.
pub(crate) const ALL: &str = "*";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greater_role_counts() {
        let roles = BTreeMap::from([("*".to_owned(), Role::Viewer), ("front".to_owned(), Role::Operator)]);
        let user = User::new("anna", roles);
        assert_eq!((user.role("front"), user.role("back")), (Some(Role::Operator), Some(Role::Viewer)));
        assert!(user.may(Role::Viewer, "front") && !user.may(Role::Admin, "front"));
        let admin = User::new("root", BTreeMap::from([("*".to_owned(), Role::Admin)]));
        assert!(admin.may(Role::Admin, "anything"));
        let one = User::new("bob", BTreeMap::from([("front".to_owned(), Role::Viewer)]));
        assert_eq!((one.role("back"), one.service_role()), (None, None));
        assert!(!one.may(Role::Viewer, "back"));
        assert_eq!(User::anyone().role("x"), Some(Role::Viewer));
    }
}

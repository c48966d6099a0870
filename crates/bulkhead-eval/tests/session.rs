//! Values that are looked at piece by piece.

#![allow(clippy::unwrap_used)]

mod common;

use bulkhead_eval::Shape;

#[test]
fn a_set_with_more_stays_open_before_anybody_has_looked_at_the_reason() {
    let world = common::world(&[]);
    let open = world.session(|session| {
        let values = session.text("{ later = builtins.getEnv \"X\"; }", "«test»").unwrap();
        let Shape::Attrs(values) = session.look(values) else { panic!("no set") };
        let set = session.attrs(vec![("a", session.int(1))], values.get("later"));
        match session.look(set) {
            Shape::Attrs(members) => members.open.is_some(),
            _ => false,
        }
    });
    assert!(open.unwrap());
}

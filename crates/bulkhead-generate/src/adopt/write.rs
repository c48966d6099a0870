//! The text of `secrets/properties.nix`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bulkhead_fleet::{RulesFile, Secret};

use super::describe::Description;
use crate::nix_text::{comment, list_binding, string};

pub(super) fn text(rules: &RulesFile, secrets: &BTreeMap<Arc<str>, (Secret, Description)>) -> String {
    let mut out = format!(
        "# Who may read which secret. Adopted from {}; from now on yours to edit.\n\
         # Then run: bulkhead gen-secrets\n",
        comment(rules.path.name())
    );
    if secrets.is_empty() {
        out.push_str("{ }\n");
        return out;
    }
    out.push_str("{\n");
    for (name, (secret, description)) in secrets {
        let attributes = attributes(secret, description);
        let name = string(name);
        match attributes.as_slice() {
            [] => out.push_str(&format!("  {name} = {{ }};\n")),
            [Attribute::List(attribute, items)] => list_binding(&mut out, 2, &format!("{name}.{attribute}"), items),
            [Attribute::Flag(attribute, value)] => out.push_str(&format!("  {name}.{attribute} = {value};\n")),
            attributes => {
                out.push_str(&format!("  {name} = {{\n"));
                for attribute in attributes {
                    match attribute {
                        Attribute::List(attribute, items) => list_binding(&mut out, 4, attribute, items),
                        Attribute::Flag(attribute, value) => out.push_str(&format!("    {attribute} = {value};\n")),
                    }
                }
                out.push_str("  };\n");
            }
        }
    }
    out.push_str("}\n");
    out
}

enum Attribute {
    List(&'static str, Vec<String>),
    Flag(&'static str, bool),
}

fn attributes(secret: &Secret, description: &Description) -> Vec<Attribute> {
    let strings = |names: &[Arc<str>]| names.iter().map(|name| string(name)).collect::<Vec<_>>();
    let mut attributes = Vec::new();
    if description.everyone {
        attributes.push(Attribute::Flag("everyone", true));
    }
    if !description.roles.is_empty() {
        attributes.push(Attribute::List("roles", strings(&description.roles)));
    }
    if !description.machines.is_empty() {
        attributes.push(Attribute::List("machines", strings(&description.machines)));
    }
    if !description.admins {
        attributes.push(Attribute::Flag("admins", false));
    }
    if secret.armored() == Some(true) {
        attributes.push(Attribute::Flag("armor", true));
    }
    attributes
}

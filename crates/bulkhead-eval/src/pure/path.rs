//! Paths as text: `builtins.baseNameOf`, `builtins.dirOf` and the normal form of absolute paths. Nothing here looks at
//! files, so symlinks are not followed.

/// The normal form of an absolute path: no empty, `.` or `..` components and no slash at the end; `..` at the root is
/// ignored. A path that is not absolute is taken to start at the root.
pub(crate) fn canonicalise(path: &[u8]) -> Vec<u8> {
    let mut result: Vec<u8> = Vec::with_capacity(path.len());
    for component in path.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                let parent = result.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                result.truncate(parent);
            }
            _ => {
                result.push(b'/');
                result.extend_from_slice(component);
            }
        }
    }
    if result.is_empty() {
        result.push(b'/');
    }
    result
}

/// `builtins.baseNameOf`: what comes behind the last slash, not counting a single slash at the end.
pub(crate) fn base_name(path: &[u8]) -> &[u8] {
    let path = match path {
        [rest @ .., b'/'] if !rest.is_empty() => rest,
        _ => path,
    };
    let start = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    path.get(start..).unwrap_or_default()
}

/// `builtins.dirOf` of a string: what comes before the last slash; `.` if there is none. As in Nix 2.18; later ones
/// remove repeated slashes before the last component too.
pub(crate) fn directory_of_string(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&byte| byte == b'/') {
        None => b".",
        Some(0) => b"/",
        Some(slash) => &path[..slash],
    }
}

/// `builtins.dirOf` of a path value, which is in normal form: its parent; the root is its own.
pub(crate) fn directory_of_path(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&byte| byte == b'/') {
        None | Some(0) => b"/",
        Some(slash) => &path[..slash],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_forms() {
        for (path, expected) in [
            ("/", "/"),
            ("//a///b/", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/../..", "/"),
            ("/../a", "/a"),
            ("/a/..", "/"),
            ("/a/../../b", "/b"),
            ("/.../..a/b.", "/.../..a/b."),
            ("", "/"),
        ] {
            assert_eq!(canonicalise(path.as_bytes()), expected.as_bytes(), "{path}");
        }
    }

    #[test]
    fn base_names_and_directories() {
        for (path, base, directory) in [
            ("", "", "."),
            ("a", "a", "."),
            ("a/", "a", "a"),
            ("/", "", "/"),
            ("//", "", "/"),
            ("/a", "a", "/"),
            ("/a/b", "b", "/a"),
            ("/a/b/", "b", "/a/b"),
            ("a//", "", "a/"),
            ("a//b", "b", "a/"),
        ] {
            assert_eq!(base_name(path.as_bytes()), base.as_bytes(), "{path}");
            assert_eq!(directory_of_string(path.as_bytes()), directory.as_bytes(), "{path}");
        }
        assert_eq!(directory_of_path(b"/"), b"/");
        assert_eq!(directory_of_path(b"/a"), b"/");
        assert_eq!(directory_of_path(b"/a/b"), b"/a");
    }
}

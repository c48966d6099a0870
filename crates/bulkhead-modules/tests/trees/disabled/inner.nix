{ imports = [ ../disabled/deeper.nix ]; values = [ "inner" ]; }

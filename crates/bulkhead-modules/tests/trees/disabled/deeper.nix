{ values = [ "deeper" ]; }

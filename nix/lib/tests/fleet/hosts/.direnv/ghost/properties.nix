throw "this is no machine"

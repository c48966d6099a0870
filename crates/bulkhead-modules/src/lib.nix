# What fleets use of nixpkgs' `lib`, written from its documentation.
#
# `missing` stands for all the rest: it is unknown, and says why.
missing:
let
  inherit (builtins)
    all
    any
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    genList
    hasAttr
    head
    isAttrs
    isFunction
    isInt
    isList
    isString
    length
    listToAttrs
    mapAttrs
    match
    replaceStrings
    stringLength
    substring
    tail
    toJSON
    ;

  trivial = rec {
    id = x: x;
    const = x: _: x;
    flip =
      f: a: b:
      f b a;
    pipe = foldl' (x: f: f x);
    max = a: b: if a > b then a else b;
    min = a: b: if a < b then a else b;
    mod = a: b: a - b * (a / b);
    mergeAttrs = a: b: a // b;
    boolToString = b: if b then "true" else "false";
    isFunction = f: builtins.isFunction f || (f ? __functor && isFunction (f.__functor f));
    importJSON = path: builtins.fromJSON (builtins.readFile path);
    importTOML = path: builtins.fromTOML (builtins.readFile path);
    toFunction = v: if isFunction v then v else const v;
    functionArgs =
      f:
      if f ? __functor then
        f.__functionArgs or (functionArgs (f.__functor f))
      else
        builtins.functionArgs f;
    setFunctionArgs = f: args: {
      __functor = _: f;
      __functionArgs = args;
    };
    mapNullable = f: a: if a == null then null else f a;
    defaultTo = default: v: if v == null then default else v;
    throwIf = c: message: if c then throw message else id;
    throwIfNot = c: throwIf (!c);
    warn = builtins.warn or (_: id);
    warnIf = c: message: if c then warn message else id;
    warnIfNot = c: warnIf (!c);
    info = message: id;
    inherit (builtins)
      add
      sub
      lessThan
      seq
      deepSeq
      bitAnd
      bitOr
      bitXor
      genericClosure
      readFile
      pathExists
      ;
    assertMsg = c: message: if c then true else throw message;
    assertOneOf =
      name: v: vs:
      assertMsg (elem v vs) "${name} must be one of ${strings.concatStringsSep ", " (map strings.toString' vs)}, but is: ${strings.toString' v}";
    fix =
      f:
      let
        x = f x;
      in
      x;
  };

  lists = rec {
    inherit (builtins)
      all
      any
      concatLists
      concatMap
      elem
      elemAt
      filter
      foldl'
      genList
      head
      isList
      length
      map
      partition
      sort
      tail
      groupBy
      ;
    singleton = x: [ x ];
    forEach = xs: f: map f xs;
    foldr =
      f: nul: xs:
      let
        n = length xs;
        go = i: if i == n then nul else f (elemAt xs i) (go (i + 1));
      in
      go 0;
    fold = foldr;
    foldl =
      f: nul: xs:
      let
        go = i: if i == 0 then nul else f (go (i - 1)) (elemAt xs (i - 1));
      in
      go (length xs);
    imap0 = f: xs: genList (i: f i (elemAt xs i)) (length xs);
    imap1 = f: xs: genList (i: f (i + 1) (elemAt xs i)) (length xs);
    optional = c: x: if c then [ x ] else [ ];
    optionals = c: xs: if c then xs else [ ];
    toList = x: if isList x then x else [ x ];
    flatten = x: if isList x then concatMap flatten x else [ x ];
    remove = x: filter (y: y != x);
    unique = foldl' (seen: x: if elem x seen then seen else seen ++ [ x ]) [ ];
    uniqueStrings = xs: attrNames (builtins.groupBy (x: x) xs);
    allUnique = xs: length (unique xs) == length xs;
    range = from: to: if from > to then [ ] else genList (i: from + i) (to - from + 1);
    replicate = n: x: genList (_: x) n;
    count = f: xs: length (filter f xs);
    take = n: xs: sublist 0 n xs;
    drop = n: xs: sublist n (length xs) xs;
    sublist =
      start: count: xs:
      let
        n = length xs;
        end =
          if start >= n then
            0
          else if start + count > n then
            n - start
          else
            count;
      in
      genList (i: elemAt xs (start + i)) end;
    last =
      xs: if xs == [ ] then throw "lists.last: list must not be empty!" else elemAt xs (length xs - 1);
    init =
      xs: if xs == [ ] then throw "lists.init: list must not be empty!" else take (length xs - 1) xs;
    reverseList =
      xs:
      let
        n = length xs;
      in
      genList (i: elemAt xs (n - i - 1)) n;
    findFirstIndex =
      f: default: xs:
      let
        n = length xs;
        go =
          i:
          if i == n then
            default
          else if f (elemAt xs i) then
            i
          else
            go (i + 1);
      in
      go 0;
    findFirst =
      f: default: xs:
      let
        i = findFirstIndex f null xs;
      in
      if i == null then default else elemAt xs i;
    findSingle =
      f: default: multiple: xs:
      let
        found = filter f xs;
      in
      if found == [ ] then
        default
      else if length found == 1 then
        head found
      else
        multiple;
    zipListsWith =
      f: a: b:
      genList (i: f (elemAt a i) (elemAt b i)) (trivial.min (length a) (length b));
    zipLists = zipListsWith (fst: snd: { inherit fst snd; });
    intersectLists = a: filter (x: elem x a);
    subtractLists = a: filter (x: !(elem x a));
    mutuallyExclusive = a: b: !(any (x: elem x a) b);
    crossLists = f: foldl' (fs: args: concatMap (f: map f args) fs) [ f ];
    sortOn = f: xs: builtins.sort (a: b: f a < f b) xs;
    naturalSort = builtins.sort builtins.lessThan;
    concatImapStrings = f: xs: strings.concatStrings (imap1 f xs);
    groupBy' =
      op: nul: f: xs:
      mapAttrs (_: foldl' op nul) (builtins.groupBy f xs);
  };

  strings = rec {
    inherit (builtins)
      concatStringsSep
      match
      replaceStrings
      split
      stringLength
      substring
      toJSON
      fromJSON
      unsafeDiscardStringContext
      isString
      ;
    toString' = builtins.toString;
    concatStrings = concatStringsSep "";
    concatMapStrings = f: xs: concatStrings (map f xs);
    concatMapStringsSep =
      sep: f: xs:
      concatStringsSep sep (map f xs);
    concatImapStringsSep =
      sep: f: xs:
      concatStringsSep sep (lists.imap1 f xs);
    concatImapStrings = f: xs: concatStrings (lists.imap1 f xs);
    concatLines = xs: concatMapStrings (x: x + "\n") xs;
    concatMapAttrsStringSep =
      sep: f: attrs:
      concatStringsSep sep (attrsets.mapAttrsToList f attrs);
    join = concatStringsSep;
    optionalString = c: s: if c then s else "";
    intersperse =
      sep: xs:
      if xs == [ ] then
        [ ]
      else
        tail (
          concatMap (x: [
            sep
            x
          ]) xs
        );
    hasPrefix = prefix: s: substring 0 (stringLength prefix) s == prefix;
    hasSuffix =
      suffix: s:
      let
        n = stringLength s;
        m = stringLength suffix;
      in
      n >= m && substring (n - m) n s == suffix;
    hasInfix = infix: s: length (splitString infix "x${s}x") > 1 || infix == "";
    removePrefix = prefix: s: if hasPrefix prefix s then substring (stringLength prefix) (-1) s else s;
    removeSuffix =
      suffix: s: if hasSuffix suffix s then substring 0 (stringLength s - stringLength suffix) s else s;
    stringToCharacters = s: genList (i: substring i 1 s) (stringLength s);
    stringAsChars = f: s: concatMapStrings f (stringToCharacters s);
    lowerChars = stringToCharacters "abcdefghijklmnopqrstuvwxyz";
    upperChars = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    toLower = replaceStrings upperChars lowerChars;
    toUpper = replaceStrings lowerChars upperChars;
    toSentenceCase = s: toUpper (substring 0 1 s) + toLower (substring 1 (-1) s);
    escapeRegex = escape (stringToCharacters "\\[{()^$?*+|.");
    escape = chars: replaceStrings chars (map (c: "\\" + c) chars);
    splitString =
      sep: s:
      filter isString (
        builtins.split (escapeRegex (builtins.unsafeDiscardStringContext (toString sep))) s
      );
    escapeShellArg =
      arg:
      let
        s = toString arg;
      in
      if match "[[:alnum:],._+:@%/-]+" s == null then "'${replaceStrings [ "'" ] [ "'\\''" ] s}'" else s;
    escapeShellArgs = concatMapStringsSep " " escapeShellArg;
    escapeNixString = s: replaceStrings [ "$" ] [ "\\$" ] (toJSON s);
    escapeXML = replaceStrings [ "\"" "'" "<" ">" "&" ] [ "&quot;" "&apos;" "&lt;" "&gt;" "&amp;" ];
    makeSearchPath =
      sub: paths: concatStringsSep ":" (map (p: p + "/" + sub) (filter (p: p != null) paths));
    makeSearchPathOutput =
      output: sub: pkgs:
      makeSearchPath sub (map (attrsets.getOutput output) pkgs);
    makeBinPath = makeSearchPathOutput "bin" "bin";
    makeLibraryPath = makeSearchPathOutput "lib" "lib";
    fixedWidthString =
      width: filler: s:
      let
        n = stringLength s;
      in
      if n > width then
        throw "fixedWidthString: requested string length (${toString width}) must not be shorter than actual length (${toString n})"
      else if n == width then
        s
      else
        fixedWidthString width filler (filler + s);
    fixedWidthNumber = width: n: fixedWidthString width "0" (toString n);
    trim = trimWith {
      start = true;
      end = true;
    };
    trimWith =
      {
        start ? false,
        end ? false,
      }:
      s:
      let
        white = " \t\r\n";
        all' = stringLength s;
        isWhite = i: elem (substring i 1 s) (stringToCharacters white);
        from = i: if i < all' && isWhite i then from (i + 1) else i;
        to = i: if i > 0 && isWhite (i - 1) then to (i - 1) else i;
        first = if start then from 0 else 0;
        beyond = if end then to all' else all';
      in
      if beyond <= first then "" else substring first (beyond - first) s;
    toInt =
      s:
      let
        parts = match "[[:space:]]*(-?[[:digit:]]+)[[:space:]]*" s;
      in
      if parts == null then
        throw "toInt: Could not convert ${escapeNixString s} to int."
      else if match "[[:space:]]*-?0[[:digit:]]+[[:space:]]*" s != null then
        throw "toInt: Ambiguity in interpretation of ${escapeNixString s} between octal and zero padded integer."
      else
        builtins.fromJSON (head parts);
    toIntBase10 =
      s:
      let
        parts = match "[[:space:]]*0*(-?[[:digit:]]+)[[:space:]]*" s;
      in
      if parts == null then
        throw "toIntBase10: Could not convert ${escapeNixString s} to int."
      else
        builtins.fromJSON (head parts);
    isStringLike = x: isString x || builtins.isPath x || x ? outPath || x ? __toString;
    isConvertibleWithToString =
      x:
      isStringLike x
      || elem (builtins.typeOf x) [
        "null"
        "int"
        "float"
        "bool"
      ]
      || (isList x && all isConvertibleWithToString x);
    isStorePath = x: isStringLike x && hasPrefix builtins.storeDir (toString x);
    getName =
      x:
      if isString x then
        (builtins.parseDrvName x).name
      else
        x.pname or (builtins.parseDrvName x.name).name;
    getVersion =
      x:
      if isString x then
        (builtins.parseDrvName x).version
      else
        x.version or (builtins.parseDrvName x.name).version;
    versionOlder = a: b: builtins.compareVersions b a == 1;
    versionAtLeast = a: b: !(versionOlder a b);
    replaceString = from: to: replaceStrings [ from ] [ to ];
    fileContents = file: removeSuffix "\n" (builtins.readFile file);
    toShellVar = missing;
    nameFromURL = missing;
    splitStringBy = missing;
    charToInt = missing;
  };

  attrsets = rec {
    inherit (builtins)
      attrNames
      attrValues
      catAttrs
      hasAttr
      getAttr
      isAttrs
      intersectAttrs
      listToAttrs
      mapAttrs
      removeAttrs
      zipAttrsWith
      ;
    nameValuePair = name: value: { inherit name value; };
    attrByPath =
      path: default: set:
      if path == [ ] then
        set
      else if isAttrs set && hasAttr (head path) set then
        attrByPath (tail path) default set.${head path}
      else
        default;
    hasAttrByPath =
      path: set:
      path == [ ]
      || (isAttrs set && hasAttr (head path) set && hasAttrByPath (tail path) set.${head path});
    getAttrFromPath =
      path: set: attrByPath path (throw "cannot find attribute '${concatStringsSep "." path}'") set;
    setAttrByPath =
      path: value: if path == [ ] then value else { ${head path} = setAttrByPath (tail path) value; };
    attrVals = names: set: map (name: set.${name}) names;
    getAttrs = names: set: lists.foldl' (found: name: found // { ${name} = set.${name}; }) { } names;
    optionalAttrs = c: set: if c then set else { };
    filterAttrs =
      keep: set: builtins.removeAttrs set (filter (name: !(keep name set.${name})) (attrNames set));
    filterAttrsRecursive =
      keep: set:
      mapAttrs (_: v: if isAttrs v then filterAttrsRecursive keep v else v) (filterAttrs keep set);
    mapAttrs' = f: set: listToAttrs (map (name: f name set.${name}) (attrNames set));
    mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
    attrsToList = mapAttrsToList nameValuePair;
    concatMapAttrs = f: set: mergeAttrsList (attrValues (mapAttrs f set));
    mergeAttrsList = foldl' (a: b: a // b) { };
    genAttrs = names: f: listToAttrs (map (name: nameValuePair name (f name)) names);
    genAttrs' = xs: f: listToAttrs (map f xs);
    mapAttrsRecursive = mapAttrsRecursiveCond (_: true);
    mapAttrsRecursiveCond =
      c: f: set:
      let
        go =
          path:
          mapAttrs (name: v: if isAttrs v && c v then go (path ++ [ name ]) v else f (path ++ [ name ]) v);
      in
      go [ ] set;
    mapAttrsToListRecursive = missing;
    collect =
      f: set:
      if f set then
        [ set ]
      else if isAttrs set then
        concatMap (collect f) (attrValues set)
      else
        [ ];
    foldlAttrs =
      f: nul: set:
      foldl' (acc: name: f acc name set.${name}) nul (attrNames set);
    foldAttrs =
      f: nul: sets:
      mapAttrs (name: values: lists.foldr f nul values) (builtins.zipAttrsWith (_: vs: vs) sets);
    recursiveUpdateUntil =
      stop: a: b:
      let
        go =
          path:
          builtins.zipAttrsWith (
            name: vs:
            let
              here = path ++ [ name ];
            in
            if length vs == 1 || stop here (elemAt vs 1) (head vs) then head vs else go here vs
          );
      in
      go [ ] [ b a ];
    recursiveUpdate = recursiveUpdateUntil (
      _: a: b:
      !(isAttrs a && isAttrs b)
    );
    matchAttrs =
      pattern: set:
      all (
        name:
        hasAttr name set
        && (
          if isAttrs pattern.${name} then
            isAttrs set.${name} && matchAttrs pattern.${name} set.${name}
          else
            pattern.${name} == set.${name}
        )
      ) (attrNames pattern);
    unionOfDisjoint = a: b: if builtins.intersectAttrs a b == { } then a // b else missing;
    zipAttrs = builtins.zipAttrsWith (_: vs: vs);
    cartesianProduct =
      set:
      foldl' (rows: name: concatMap (row: map (v: row // { ${name} = v; }) set.${name}) rows) [ { } ] (
        attrNames set
      );
    mapCartesianProduct = f: set: map f (cartesianProduct set);
    isDerivation = v: v.type or null == "derivation";
    toDerivation = missing;
    recurseIntoAttrs = set: set // { recurseForDerivations = true; };
    dontRecurseIntoAttrs = set: set // { recurseForDerivations = false; };
    getOutput =
      output: pkg:
      if !(pkg ? outputSpecified) || !pkg.outputSpecified then pkg.${output} or pkg.out or pkg else pkg;
    getBin = getOutput "bin";
    getLib = getOutput "lib";
    getDev = getOutput "dev";
    getMan = getOutput "man";
    updateManyAttrsByPath = missing;
    attrByPathOr = missing;
  };

  modules = rec {
    mkIf = condition: content: {
      _type = "if";
      inherit condition content;
    };
    mkAssert = missing;
    mkMerge = contents: {
      _type = "merge";
      inherit contents;
    };
    mkOverride = priority: content: {
      _type = "override";
      inherit priority content;
    };
    mkOptionDefault = mkOverride 1500;
    mkDefault = mkOverride 1000;
    defaultOverridePriority = 100;
    mkImageMediaOverride = mkOverride 60;
    mkForce = mkOverride 50;
    mkVMOverride = mkOverride 10;
    mkOrder = priority: content: {
      _type = "order";
      inherit priority content;
    };
    mkBefore = mkOrder 500;
    defaultOrderPriority = 1000;
    mkAfter = mkOrder 1500;
    mkDefinition = args: args // { _type = "definition"; };
    mkAliasIfDef = option: mkIf option.isDefined;
    mkAliasDefinitions = mkAliasAndWrapDefinitions trivial.id;
    mkAliasAndWrapDefinitions = wrap: option: mkAliasIfDef option (wrap (mkMerge option.definitions));
    mkAliasAndWrapDefsWithPriority =
      wrap: option:
      mkAliasIfDef option (
        wrap (mkMerge (map (mkOverride (option.highestPrio or defaultOverridePriority)) option.definitions))
      );
    # The option `from` has the value of `to`, and what defines it defines `to`.
    aliasModule =
      {
        from,
        to,
        visible ? false,
        warn ? false,
        condition ? true,
        withPriority ? true,
        ...
      }:
      { config, options, ... }:
      let
        old = attrsets.getAttrFromPath from options;
        new = attrsets.attrByPath to { } options;
        show = concatStringsSep ".";
        move = if withPriority then mkAliasAndWrapDefsWithPriority else mkAliasAndWrapDefinitions;
      in
      {
        options = attrsets.setAttrByPath from (
          parts.options.mkOption {
            inherit visible;
            description = "Alias of {option}`${show to}`.";
            type = new.type or types.unspecified;
            apply = _: attrsets.getAttrFromPath to config;
          }
        );
        config = mkIf condition (mkMerge [
          (move (attrsets.setAttrByPath to) old)
          (
            if warn then
              { warnings = mkIf old.isDefined [ "The option `${show from}` has been renamed to `${show to}`." ]; }
            else
              { }
          )
        ]);
      };
    mkRenamedOptionModule =
      from: to:
      aliasModule {
        inherit from to;
        warn = true;
      };
    mkRenamedOptionModuleWith =
      { from, to, ... }:
      aliasModule {
        inherit from to;
        warn = true;
      };
    mkAliasOptionModule =
      from: to:
      aliasModule {
        inherit from to;
        visible = true;
      };
    mkAliasOptionModuleMD = mkAliasOptionModule;
    doRename = aliasModule;
    mkRemovedOptionModule =
      from: instructions:
      { options, ... }:
      let
        old = attrsets.getAttrFromPath from options;
        name = concatStringsSep "." from;
      in
      {
        options = attrsets.setAttrByPath from (
          parts.options.mkOption {
            visible = false;
            description = "Removed. ${instructions}";
            apply = _: throw "The option `${name}` is used, but it has been removed. ${instructions}";
          }
        );
        config.assertions = [
          {
            assertion = !old.isDefined;
            message = "The option `${name}` no longer has any effect; please remove it. ${instructions}";
          }
        ];
      };
    mkChangedOptionModule = from: mkMergedOptionModule [ from ];
    mkMergedOptionModule =
      froms: to: merge:
      { config, ... }:
      let
        # What the old options are when nothing defines them.
        none = "_mkMergedOptionModule";
        isSet = from: attrsets.getAttrFromPath from config != none;
        declared =
          from:
          attrsets.setAttrByPath from (
            parts.options.mkOption {
              visible = false;
              default = none;
              description = "Replaced by {option}`${concatStringsSep "." to}`.";
            }
          );
      in
      {
        options = foldl' attrsets.recursiveUpdate { } (map declared froms);
        config = mkMerge [
          (attrsets.setAttrByPath to (mkIf (any isSet froms) (merge config)))
          {
            warnings = map (
              from: "The option `${concatStringsSep "." from}` has been replaced by `${concatStringsSep "." to}`."
            ) (filter isSet froms);
          }
        ];
      };
    setDefaultModuleLocation = file: m: {
      _file = file;
      imports = [ m ];
    };
    importApply = path: args: {
      _file = toString path;
      imports = [ (import path args) ];
    };
    importJSON = path: {
      _file = toString path;
      config = trivial.importJSON path;
    };
    importTOML = path: {
      _file = toString path;
      config = trivial.importTOML path;
    };
    evalModules = missing;
  };

  options = rec {
    isOption = v: v._type or null == "option";
    mkOption = declared: declared // { _type = "option"; };
    mkOptionType =
      {
        name,
        description ? name,
        ...
      }@given:
      {
        _type = "option-type";
        check = _: true;
        nestedTypes = { };
        merge = mergeDefaultOption;
        inherit description;
      }
      // given;
    mergeDefaultOption =
      path: definitions:
      let
        values = getValues definitions;
      in
      if length values == 1 then
        head values
      else if all trivial.isFunction values then
        x: mergeDefaultOption path (map (f: { value = f x; }) values)
      else if all isList values then
        concatLists values
      else if all isAttrs values then
        foldl' (a: b: a // b) { } values
      else if all builtins.isBool values then
        any trivial.id values
      else if all isString values then
        strings.concatStrings values
      else
        mergeEqualOption path definitions;
    mergeOneOption =
      path: definitions:
      if length definitions == 1 then
        (head definitions).value
      else
        throw "The unique option `${showOption path}` is defined multiple times.";
    mergeUniqueOption = _: mergeOneOption;
    mergeEqualOption =
      path: definitions:
      let
        values = getValues definitions;
      in
      if all (v: v == head values) values then
        head values
      else
        throw "The option `${showOption path}` has conflicting definition values.";
    getValues = map (definition: definition.value);
    getFiles = map (definition: definition.file);
    mkEnableOption =
      name:
      mkOption {
        default = false;
        example = true;
        description = "Whether to enable ${name}.";
        type = types.bool;
      };
    mkPackageOption =
      pkgs: name: args:
      let
        given =
          {
            default ? name,
            example ? null,
            nullable ? false,
            extraDescription ? "",
            pkgsText ? "pkgs",
          }:
          let
            path = if default == null then null else lists.toList default;
            shown = "The ${if isList name then lists.last name else name} package to use.";
          in
          mkOption (
            {
              type = if nullable then types.nullOr types.package else types.package;
              description = shown + (if extraDescription == "" then "" else " ${extraDescription}");
            }
            // (
              if path == null then
                { default = null; }
              else
                {
                  default = attrsets.attrByPath path missing pkgs;
                  defaultText = literalExpression "${pkgsText}.${concatStringsSep "." path}";
                }
            )
            // (
              if example == null then
                { }
              else
                {
                  example = literalExpression (
                    if isList example then "${pkgsText}.${concatStringsSep "." example}" else example
                  );
                }
            )
          );
      in
      given args;
    mkPackageOptionMD = mkPackageOption;
    mkSinkUndeclaredOptions =
      args:
      mkOption (
        {
          internal = true;
          visible = false;
          default = false;
          type = missing;
        }
        // args
      );
    literalExpression = text: {
      _type = "literalExpression";
      inherit text;
    };
    literalExample = literalExpression;
    literalMD = text: {
      _type = "literalMD";
      inherit text;
    };
    mdDoc = text: text;
    showOption = path: concatStringsSep "." path;
  };

  # All names are here, so that `with types;` hides nothing else.
  types =
    attrsets.genAttrs [
      "boolByOr"
      "defaultFunctor"
      "defaultTypeMerge"
      "externalPath"
      "fileset"
      "isOptionType"
      "isType"
      "json"
      "loaOf"
      "luaInline"
      "mergeTypes"
      "noCheckForDocsModule"
      "optionDeclaration"
      "optionDescriptionPhrase"
      "pkgs"
      "serializableValueWith"
      "setType"
      "toml"
      "types"
    ] (_: missing)
    // (
      let
        mk =
          name: description: more:
          {
            _type = "option-type";
            inherit name description;
            check = _: true;
            nestedTypes = { };
          }
          // more;
        of =
          name: elemType: description: check:
          mk name description {
            inherit check;
            nestedTypes = { inherit elemType; };
          };
        within =
          bounds: x: (bounds.low == null || x >= bounds.low) && (bounds.high == null || x <= bounds.high);
        bounded =
          name: description: low: high:
          let
            bounds = { inherit low high; };
          in
          mk name description {
            inherit bounds;
            check = x: isInt x && within bounds x;
          };
        both = "(both inclusive)";
        unsigned =
          bits: high:
          bounded "unsignedInt${toString bits}"
            "${toString bits} bit unsigned integer; between 0 and ${toString high} ${both}"
            0
            high;
        signed =
          bits: low: high:
          bounded "signedInt${toString bits}"
            "${toString bits} bit signed integer; between ${toString low} and ${toString high} ${both}"
            low
            high;
        isNumber = x: isInt x || builtins.isFloat x;
        isModule = x: isAttrs x || trivial.isFunction x || builtins.isPath x || isString x;
        textOf =
          name: description: pattern:
          mk name description {
            inherit pattern;
            check = x: isString x && match pattern x != null;
          };
        one =
          t:
          mk "unique" t.description {
            inherit (t) check;
            nestedTypes.elemType = t;
          };
        # Of values that are shown and not gone into: the type contains itself.
        data =
          description:
          let
            self = mk "data" description {
              actual = nullOr (oneOf [
                types.bool
                types.int
                types.float
                types.str
                types.path
                (types.attrsOf self)
                (types.listOf self)
              ]);
              check = x: !(trivial.isFunction x);
            };
            inherit (types) nullOr oneOf;
          in
          self;
        self = rec {
          anything = mk "anything" "anything" { };
          attrs = mk "attrs" "attribute set" { check = isAttrs; };
          attrsOf = t: of "attrsOf" t "attribute set of ${t.description}" isAttrs;
          lazyAttrsOf = t: of "lazyAttrsOf" t "lazy attribute set of ${t.description}" isAttrs;
          attrsWith =
            {
              elemType,
              lazy ? false,
              placeholder ? "name",
            }:
            (if lazy then lazyAttrsOf else attrsOf) elemType;
          bool = mk "bool" "boolean" { check = builtins.isBool; };
          boolByOr = mk "boolByOr" "boolean (merged using or)" { check = builtins.isBool; };
          coercedTo =
            from: coerce: to:
            mk "coercedTo" "${to.description} or ${from.description} convertible to it" {
              inherit coerce;
              check = x: to.check x || (from.check x && to.check (coerce x));
              nestedTypes = {
                coercedType = from;
                finalType = to;
              };
            };
          commas = separatedString ",";
          deferredModule = mk "deferredModule" "module" { check = isModule; };
          deferredModuleWith = _: deferredModule;
          either =
            a: b:
            mk "either" "${a.description} or ${b.description}" {
              check = x: a.check x || b.check x;
              nestedTypes = {
                left = a;
                right = b;
              };
            };
          enum =
            values:
            mk "enum"
              (
                if values == [ ] then
                  "impossible (empty enum)"
                else if length values == 1 then
                  "value ${shown (head values)} (singular enum)"
                else
                  "one of ${strings.concatMapStringsSep ", " shown values}"
              )
              {
                inherit values;
                check = x: elem x values;
                functor.payload.values = values;
              };
          envVar = separatedString ":";
          float = mk "float" "floating point number" { check = builtins.isFloat; };
          functionTo =
            t: of "functionTo" t "function that evaluates to a(n) ${t.description}" trivial.isFunction;
          int = mk "int" "signed integer" { check = isInt; };
          ints = {
            between =
              low: high:
              bounded "intBetween" "integer between ${toString low} and ${toString high} ${both}" low high;
            positive = bounded "positiveInt" "positive integer, meaning >0" 1 null;
            unsigned = bounded "unsignedInt" "unsigned integer, meaning >=0" 0 null;
            u8 = unsigned 8 255;
            u16 = unsigned 16 65535;
            u32 = unsigned 32 4294967295;
            s8 = signed 8 (-128) 127;
            s16 = signed 16 (-32768) 32767;
            s32 = signed 32 (-2147483648) 2147483647;
          };
          json = data "JSON value";
          toml = data "TOML value";
          lines = separatedString "\n" // {
            description = "strings concatenated with \"\\n\"";
          };
          listOf = t: of "listOf" t "list of ${t.description}" isList;
          luaInline = mk "luaInline" "inline lua" { check = x: x._type or null == "lua-inline"; };
          nonEmptyListOf = t: of "listOf" t "non-empty list of ${t.description}" (x: isList x && x != [ ]);
          nonEmptyStr = mk "nonEmptyStr" "non-empty string" {
            check = x: isString x && match "[ \t\n]*" x == null;
          };
          nullOr = t: of "nullOr" t "null or ${t.description}" (x: x == null || t.check x);
          number = either int float;
          numbers = {
            between =
              low: high:
              mk "numberBetween"
                "integer or floating point number between ${toString low} and ${toString high} ${both}"
                {
                  check = x: isNumber x && x >= low && x <= high;
                };
            nonnegative = mk "numberNonnegative" "nonnegative integer or floating point number, meaning >=0" {
              check = x: isNumber x && x >= 0;
            };
            positive = mk "numberPositive" "positive integer or floating point number, meaning >0" {
              check = x: isNumber x && x > 0;
            };
          };
          oneOf = ts: foldl' either (head ts) (tail ts);
          optionType = mk "optionType" "optionType" { check = x: x._type or null == "option-type"; };
          package = mk "package" "package" {
            check = x: attrsets.isDerivation x || strings.isStorePath x;
          };
          path = mk "path" "absolute path" {
            check = x: strings.isStringLike x && substring 0 1 (toString x) == "/";
          };
          pathInStore = mk "pathInStore" "path in the Nix store" {
            check = x: strings.isStringLike x && strings.hasPrefix (builtins.storeDir + "/") (toString x);
          };
          pathWith = _: path;
          externalPath = mk "path" "absolute path not in the Nix store" {
            check =
              x:
              strings.isStringLike x
              && substring 0 1 (toString x) == "/"
              && !(strings.hasPrefix builtins.storeDir (toString x));
          };
          passwdEntry =
            t:
            t
            // {
              name = "passwdEntry ${t.name}";
              check = x: t.check x && match ".*[:\n].*" x == null;
              nestedTypes = {
                inner = t;
              };
            };
          pkgs = mk "pkgs" "Nixpkgs package set" { check = isAttrs; };
          port = unsigned 16 65535;
          raw = mk "raw" "raw value" { };
          separatedString =
            sep:
            mk "separatedString" "strings concatenated with ${toJSON sep}" {
              inherit sep;
              check = isString;
            };
          shellPackage = package;
          singleLineStr =
            textOf "singleLineStr" "(optionally newline-terminated) single-line string"
              "[^\n\r]*\n?";
          str = mk "str" "string" { check = isString; };
          strMatching =
            pattern: textOf "strMatching ${toJSON pattern}" "string matching the pattern ${pattern}" pattern;
          string = separatedString "";
          submodule =
            m:
            submoduleWith {
              modules = lists.toList m;
              shorthandOnlyDefinesConfig = true;
            };
          submoduleWith =
            {
              modules,
              specialArgs ? { },
              shorthandOnlyDefinesConfig ? false,
              description ? "submodule",
              class ? null,
            }:
            mk "submodule" description {
              check = isModule;
              getSubModules = modules;
              functor.payload = {
                inherit modules specialArgs shorthandOnlyDefinesConfig;
              };
            };
          addCheck = t: check: t // { check = x: t.check x && check x; };
          unique = _: one;
          uniq = one;
          unspecified = mk "unspecified" "unspecified value" { };
          attrTag =
            tags:
            mk "attrTag" "attribute-tagged union" {
              check = x: isAttrs x && length (attrNames x) == 1 && hasAttr (head (attrNames x)) tags;
            };
          record = missing;
        };
        shown =
          v:
          if builtins.isString v then
            toJSON v
          else if builtins.isBool v then
            trivial.boolToString v
          else
            toString v;
      in
      self
      // {
        ints = missing // self.ints;
        numbers = missing // self.numbers;
        mkOptionType = options.mkOptionType;
      }
    );

  meta = rec {
    getExe = pkg: getExe' pkg (pkg.meta.mainProgram or (strings.getName pkg));
    getExe' =
      pkg: name:
      if isAttrs pkg then
        "${attrsets.getBin pkg}/bin/${name}"
      else
        throw "lib.meta.getExe': The first argument is of type ${builtins.typeOf pkg}, but it should be a derivation";
    setPrio = missing;
    platforms = missing;
  };

  generators = {
    toJSON = _: builtins.toJSON;
  };

  fixedPoints = rec {
    inherit (trivial) fix;
    extends =
      overlay: f: final:
      let
        before = f final;
      in
      before // overlay final before;
    composeExtensions =
      one: other: final: before:
      let
        first = one final before;
      in
      first // other final (before // first);
    composeManyExtensions = lists.foldr composeExtensions (_: _: { });
    makeExtensible = makeExtensibleWithCustomName "extend";
    makeExtensibleWithCustomName =
      name: f:
      fix (
        self:
        f self
        // {
          ${name} = overlay: makeExtensibleWithCustomName name (extends overlay f);
        }
      );
  };

  filesystem = rec {
    pathType = path: (builtins.readDir (builtins.dirOf path)).${baseNameOf path};
    pathIsDirectory = path: builtins.pathExists path && pathType path == "directory";
    pathIsRegularFile = path: builtins.pathExists path && pathType path == "regular";
    listFilesRecursive =
      folder:
      let
        # Once for a folder.
        kinds = builtins.readDir folder;
      in
      concatMap (
        name:
        let
          path = folder + "/${name}";
        in
        if kinds.${name} == "directory" then listFilesRecursive path else [ path ]
      ) (attrNames kinds);
  };

  path = {
    append =
      folder: below:
      if !builtins.isPath folder then
        throw "lib.path.append: the first argument must be a path"
      else if !isString below || below == "" || match "/.*|(.*/)?\\.\\.(/.*)?" below != null then
        throw "lib.path.append: the second argument must be a relative path without `..`"
      else
        folder + "/${below}";
  };

  versions = {
    inherit (builtins) splitVersion;
    major = version: elemAt (builtins.splitVersion version) 0;
    minor = version: elemAt (builtins.splitVersion version) 1;
    patch = version: elemAt (builtins.splitVersion version) 2;
    majorMinor = version: concatStringsSep "." (lists.take 2 (builtins.splitVersion version));
  };

  parts = {
    inherit
      attrsets
      filesystem
      fixedPoints
      generators
      lists
      meta
      modules
      options
      path
      strings
      trivial
      types
      versions
      ;
  };
in
missing
// trivial
// strings
// lists
// attrsets
// modules
// options
// meta
// fixedPoints
// {
  inherit (builtins)
    fromJSON
    fromTOML
    getContext
    hasContext
    hashFile
    hashString
    parseDrvName
    placeholder
    readDir
    readFileType
    toFile
    toJSON
    toXML
    tryEval
    ;
  inherit (filesystem) pathIsDirectory pathIsRegularFile pathType;
  # What it gives can't be overridden.
  callPackageWith =
    known: function: arguments:
    let
      called = if trivial.isFunction function then function else import function;
    in
    called (builtins.intersectAttrs (builtins.functionArgs called) known // arguments);
}
// mapAttrs (_: part: missing // part) (builtins.removeAttrs parts [ "types" ])
// {
  inherit types;
  inherit (builtins)
    baseNameOf
    dirOf
    isBool
    isFloat
    isInt
    isPath
    splitVersion
    toString
    ;
  inherit (trivial) isFunction importJSON importTOML;
  nixosSystem = missing;
  licenses = missing;
  maintainers = missing;
  platforms = missing;
  version = missing;
}

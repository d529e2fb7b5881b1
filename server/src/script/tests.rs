//! What scripts can do to the process, without a server.

use super::*;

/// A server without commands.
struct Nobody;

impl Host for Nobody {
    fn call(&mut self, _: &[&[u8]], _: Proto, out: &mut Reply) -> Result<(), String> {
        out.ok();
        Ok(())
    }
    fn set_repl(&mut self, _: bool) {}
    fn may_call(&self, _: &[&[u8]]) -> Option<bool> {
        Some(true)
    }
    fn log(&self, _: i64, _: &[u8]) {}
    fn tick(&mut self) -> Result<(), String> {
        Err("enough".to_owned())
    }
}

/// What a script answers, in RESP2.
fn answer(engine: &Engine, body: &str) -> String {
    let script = engine.compile("@user_script", body.as_bytes()).unwrap();
    let ended = engine.eval(&script, "sha", &[], &[], Box::new(Nobody));
    let mut out = Reply::default();
    match &ended.result {
        Ok(value) => to_reply(value, ended.proto, &mut out),
        Err(text) => out.error_bytes(text),
    }
    String::from_utf8_lossy(out.as_bytes()).into_owned()
}

#[test]
fn scripts_end_whatever_they_catch() {
    let engine = Engine::new().unwrap();
    let loops = [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function(e) return e end) end",
        "local function f() return f() end return f()",
        "while true do coroutine.wrap(function() while true do end end)() end",
        "local co = coroutine.create(function() while true do end end) while true do coroutine.resume(co) end",
        "while true do string.gsub('a', 'a', function() while true do end end) end",
        "local t = setmetatable({}, {__index = function() while true do end end}) return t.x",
        "table.sort({1, 2, 3}, function() while true do end end)",
    ];
    for script in loops {
        let said = answer(&engine, script);
        assert!(said.starts_with("-ERR enough"), "{script}: {said}");
    }
    assert_eq!(answer(&engine, "return 1"), ":1\r\n");
}

#[test]
fn memory_and_stack_have_their_limits() {
    // Half of what an I/O thread has.
    const STACK: usize = 4 << 20;
    let thread = std::thread::Builder::new().stack_size(STACK);
    thread.spawn(hostile_scripts).unwrap().join().unwrap();
}

fn hostile_scripts() {
    let engine = Engine::new().unwrap();
    let deep = "local t = {} for i = 1, 10000 do t = {t} end return ";
    let hostile = [
        ("return string.rep('x', 1e10)", "memory"),
        (
            "local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 1e6) .. i end",
            "memory",
        ),
        (
            "local function f() return 1 + f() end return f()",
            "stack overflow",
        ),
        (
            "local function f() return pcall(f) end return tostring(select(2, f()))",
            "",
        ),
        (
            "local a = string.rep('a?', 300000) return string.find(string.rep('a', 300000), a)",
            "pattern too complex",
        ),
        ("return unpack({}, 1, 1e7)", "too many results to unpack"),
        (
            "return unpack({}, 0, 2147483647)",
            "too many results to unpack",
        ),
        (
            "return unpack({}, -2147483648, -2)",
            "too many results to unpack",
        ),
        (
            "return unpack({}, 4294967296, 2147483647)",
            "too many results to unpack",
        ),
        (
            "return unpack({}, 1 / 0, 2147483647)",
            "too many results to unpack",
        ),
        (
            "return unpack({}, 0 / 0, 2147483647)",
            "too many results to unpack",
        ),
        ("return {unpack({1, 2, 3}, '2', 3)}", "*2\r\n:2\r\n:3\r\n"),
        (
            "return #{unpack({string.byte(string.rep('x', 7900), 1, -1)})}",
            ":7900\r\n",
        ),
        (
            "return unpack({}, 1, {})",
            "bad argument #3 to 'unpack' (number expected, got table)",
        ),
        (&format!("{deep} cjson.encode(t)"), "excessive nesting"),
        (
            "return cjson.decode(string.rep('[', 100000))",
            "too many nested",
        ),
        (
            "return cmsgpack.unpack(string.rep('\\145', 100000))",
            "Bad data",
        ),
        ("return #cmsgpack.pack(string.rep('x', 100))", ""),
        (&format!("{deep} #cmsgpack.pack(t)"), ""),
        (&format!("{deep} t"), ""),
        (
            "return loadstring(string.dump(function() return 1 end)) and 1 or 0",
            ":0",
        ),
        ("return loadstring('\\27Lua') and 1 or 0", ":0"),
        ("return struct.pack('i33', 1)", "larger than limit"),
        ("return struct.unpack('c0', 'x')", "needs a previous size"),
        (
            "return struct.unpack('!65536 i', 'x', 1e300)",
            "data string too short",
        ),
        (
            "local t = setmetatable({}, {__index = function(t, k) return t[k] end}) return t.x",
            "overflow",
        ),
        (
            "local function f() return coroutine.wrap(f)() end return f()",
            "overflow",
        ),
        (
            "local function f() return (string.gsub('a', '.', f)) end return f()",
            "overflow",
        ),
        (
            "local function f() table.sort({1, 2, 3}, f) end return f()",
            "overflow",
        ),
        (
            "local function f() return xpcall(f, f) end return tostring(f())",
            "",
        ),
        (
            "local f f = function() return loadstring('return ...')(load(f)) end return tostring(f())",
            "overflow",
        ),
        (
            "return string.rep('(', 100):find(string.rep('(', 4000)) or 0",
            "too many captures",
        ),
        (
            "return newproxy and 1 or 0",
            "nonexistent global variable 'newproxy'",
        ),
        (
            "return tostring(string.format('%99999d', 1))",
            "invalid format",
        ),
    ];
    for (script, what) in hostile {
        eprintln!("{script}");
        let said = answer(&engine, script);
        assert!(
            said.contains(what),
            "{script}: {}",
            &said[..said.len().min(300)]
        );
        assert_eq!(
            answer(&engine, "return 'alive'"),
            "$5\r\nalive\r\n",
            "after {script}"
        );
    }
}

#[test]
fn nothing_a_script_does_is_seen_by_the_next() {
    let engine = Engine::new().unwrap();
    for script in [
        "x = 1",
        "rawset(_G, 'x', 1)",
        "string.x = 1",
        "redis.call = nil",
        "rawset(redis, 'call', nil)",
        "getmetatable(_G).__index = nil",
        "setmetatable(_G, {})",
        "getmetatable('').__index = {}",
        "setmetatable(redis, nil)",
        "for k, t in pairs(_G) do if type(t) == 'table' then t.x = 1 end end",
        "local _, t = pairs(string) t.x = 1",
        "pcall = nil",
        "KEYS = {}",
        "loadstring('x = 1')()",
        "cjson.x = 1",
        "math.random = nil",
    ] {
        let said = answer(&engine, script);
        assert!(said.starts_with('-'), "{script}: {said}");
    }
    answer(&engine, "collectgarbage('stop') math.randomseed(7)");
    let look = "return {rawget(_G, 'x') == nil and 1 or 0, type(string.x), type(redis.call), ('x'):rep(2)}";
    assert_eq!(
        answer(&engine, look),
        "*4\r\n:1\r\n$3\r\nnil\r\n$8\r\nfunction\r\n$2\r\nxx\r\n"
    );
}

/// If these had one hash, each would be compared with all before it: that takes minutes.
#[test]
fn memory_has_its_limit_for_strings_that_are_alike() {
    let engine = Engine::new().unwrap();
    let script = "local t, p = {}, string.rep('x', 3e4) for i = 1, 1e9 do t[i] = p .. i .. p end";
    let said = answer(&engine, script);
    assert!(said.contains("not enough memory"), "{said}");
}

/// Where a table has its keys tells of their hashes: those that differ in what the hash leaves out lie in the order of their coming.
#[test]
fn every_character_of_a_long_string_counts_in_its_hash() {
    let engine = Engine::new().unwrap();
    let order = |from: u32, beside: u32| {
        let script = format!(
            "local p, t, r = string.rep('x', {beside}), {{}}, {{}}
            for i = 0, 31 do t[p .. {from} + i .. p] = i end
            for _, i in pairs(t) do r[#r + 1] = i end
            return table.concat(r, ' ')"
        );
        answer(&engine, &script)
    };
    for beside in [53, 500] {
        assert_ne!(order(100, beside), order(200, beside), "{beside}");
    }
}

/// In Lua itself, since scripts cannot set the collector. The names have a zero, so that what the parser calls the chunk is a
/// string that nobody else holds.
#[test]
fn chunks_are_parsed_while_memory_is_collected() {
    let script = "
        collectgarbage('setpause', 0) collectgarbage('setstepmul', 100000)
        local named = 0
        for i = 1, 50 do
            local shown = i .. string.rep('n', 30)
            local function parse(last)
                local at = 0
                return load(function()
                    collectgarbage()
                    at = at + 1
                    if at > 30 then return at == 31 and last or nil end
                    return 'local function f' .. at .. '() return \"' .. i .. ' ' .. at .. '\" end '
                end, '@' .. shown .. '\\0' .. i)
            end
            assert(assert(parse('return f30()'))() == i .. ' 30')
            local f, why = parse('=')
            if f == nil and string.find(why, shown, 1, true) then named = named + 1 end
        end
        return named";
    let lua = mlua::Lua::new();
    assert_eq!(lua.load(script).eval::<u32>().unwrap(), 50);
}

/// Scripts have an `unpack` that looks before it calls this one.
#[test]
fn lua_itself_counts_what_it_unpacks() {
    let lua = mlua::Lua::new();
    for range in [
        "0, 2147483647",
        "-2147483648, 2147483647",
        "-2147483648, -2",
        "-2147483648, -1",
        "-1, 2147483646",
        "1, 8001",
    ] {
        let unpacked = lua.load(format!("unpack({{}}, {range})")).exec();
        let said = unpacked.unwrap_err().to_string();
        assert!(
            said.contains("too many results to unpack"),
            "{range}: {said}"
        );
    }
    let last = "return select('#', unpack({}, 2147483646, 2147483647))";
    assert_eq!(lua.load(last).eval::<u32>().unwrap(), 2);
}

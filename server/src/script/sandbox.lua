-- What scripts see: a table of globals in which nothing can be set, libraries in which nothing can be set, and
-- functions that catch errors without showing ours. Runs once for each state; `R` has what is written in Rust.
local R = ...
local pcall, xpcall, type, next, error, tonumber, unpack = pcall, xpcall, type, next, error, tonumber, unpack
local rawset, rawget, setmetatable, getmetatable = rawset, rawget, setmetatable, getmetatable
local collectgarbage, create, resume, select = collectgarbage, coroutine.create, coroutine.resume, select
local unwrap, readonly_error = R.unwrap, R.readonly

local MOST, MOST_RESULTS = 2 ^ 31, 7999

-- What stands behind each table that cannot be changed, and the metatable it shows.
local behind, shows = setmetatable({}, { __mode = 'k' }), setmetatable({}, { __mode = 'k' })

local function protected(t, meta)
    local face = setmetatable({}, { __index = t, __newindex = readonly_error, __metatable = false })
    behind[face], shows[face] = t, meta
    return face
end

local function settle(ok, e, ...)
    if ok then return ok, e, ... end
    return false, unwrap(e, true)
end

local function settle_whole(ok, e, ...)
    if ok then return ok, e, ... end
    return false, unwrap(e, false)
end

-- As Lua's own functions complain.
local function must_be_table(t, name)
    if type(t) ~= 'table' then
        error("bad argument #1 to '" .. name .. "' (table expected, got " .. type(t) .. ")", 3)
    end
end

local globals = {
    assert = assert, error = error, ipairs = ipairs, rawequal = rawequal, select = select, tonumber = tonumber,
    tostring = tostring, type = type, gcinfo = gcinfo, _VERSION = _VERSION,
    load = R.load, loadstring = R.loadstring, __redis__err__handler = function(e) return e end,
}

-- Lua's own counts in an int, which overflows. `i` and `j` are passed on as they came: each takes a place of the stack.
function globals.unpack(t, ...)
    must_be_table(t, 'unpack')
    local i, j = ...
    local from, to = i == nil and 1 or tonumber(i), j == nil and #t or tonumber(j)
    if not from or not to then
        local n, got = 2, i
        if from then n, got = 3, j end
        error('bad argument #' .. n .. " to 'unpack' (number expected, got " .. type(got) .. ')', 2)
    end
    local fits = to - from < MOST_RESULTS - select('#', ...)
    if not (fits and from >= -MOST and from < MOST and to >= -MOST and to < MOST) then
        error('too many results to unpack', 2)
    end
    return unpack(t, ...)
end

function globals.pcall(...) return settle(pcall(...)) end

function globals.xpcall(f, handler)
    return settle_whole(xpcall(f, function(e) return handler(unwrap(e, false)) end))
end

function globals.next(t, k)
    must_be_table(t, 'next')
    return next(behind[t] or t, k)
end

function globals.pairs(t)
    must_be_table(t, 'pairs')
    if behind[t] then return globals.next, t, nil end
    return next, t, nil
end

function globals.rawget(t, k)
    must_be_table(t, 'rawget')
    return rawget(behind[t] or t, k)
end

function globals.rawset(t, k, v)
    must_be_table(t, 'rawset')
    if behind[t] then error('Attempt to modify a readonly table', 0) end
    return rawset(t, k, v)
end

function globals.setmetatable(t, meta)
    must_be_table(t, 'setmetatable')
    if meta ~= nil and type(meta) ~= 'table' then
        error("bad argument #2 to 'setmetatable' (nil or table expected)", 2)
    end
    if behind[t] then error('Attempt to modify a readonly table', 0) end
    return setmetatable(t, meta)
end

function globals.getmetatable(t)
    if behind[t] then return shows[t] end
    return getmetatable(t)
end

-- A script must not turn the collector off for those that come after it.
function globals.collectgarbage(what, arg)
    if what == 'stop' or what == 'setpause' or what == 'setstepmul' then return 0 end
    return collectgarbage(what, arg)
end

local function copy(t)
    local all = {}
    for k, v in next, t do all[k] = v end
    return all
end

local wrapped = copy(coroutine)
function wrapped.resume(...) return settle_whole(resume(...)) end

local function carry_on(ok, e, ...)
    if ok then return e, ... end
    error(unwrap(e, false), 2)
end

function wrapped.wrap(f)
    local co = create(f)
    return function(...) return carry_on(resume(co, ...)) end
end

local strings, maths = copy(string), copy(math)
for name, f in next, R.string do strings[name] = f end
maths.random, maths.randomseed = R.random, R.randomseed
globals.coroutine = protected(wrapped)
globals.string = protected(strings)
globals.math = protected(maths)
globals.table = protected(copy(table))
for name, library in next, R.libraries do globals[name] = protected(library) end

local meta = { __index = R.nonexistent }
-- As a Valkey calls it, whose libraries may come by replication; who lists the globals sees those of Redis.
local other_names = setmetatable({ server = globals.redis }, meta)
setmetatable(globals, { __index = other_names })
local env = setmetatable({}, { __index = globals, __newindex = readonly_error, __metatable = false })
behind[env], shows[env] = globals, protected(meta)
globals._G = env

local of_strings = getmetatable('')
of_strings.__index = strings
of_strings.__metatable = protected({ __index = globals.string })

-- What there is while a library is loaded.
local api = protected(setmetatable(R.loading, meta))
local loading = setmetatable({ redis = api, server = api }, meta)

-- A script finds them in globals.
local function start(script, handler, keys, args)
    globals.KEYS, globals.ARGV = keys, args
    return xpcall(script, handler)
end

local function apply(f, handler, keys, args)
    return xpcall(function() return f(keys, args) end, handler)
end

return env, start, apply, loading

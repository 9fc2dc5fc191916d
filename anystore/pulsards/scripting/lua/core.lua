-- What everything else inside the VM stands on: tables that scripts can read but not change, errors that
-- name the script's own line, and calls that nothing a script does can intercept.
--
-- Stock Lua 5.1 has none of this; Redis patches its Lua for it. Here tables are kept read-only by handing
-- out empty proxies, and the functions that could see through a proxy (rawset, next, table.insert …) are
-- replaced by ones that know them. Functions of this package are written in Lua where Redis has C, so an
-- error's position is that of a line in here; `describe` replaces it by the position in the script.

local assert, error, getmetatable, newproxy, next, pairs = assert, error, getmetatable, newproxy, next, pairs
local select, setmetatable, tostring, type, unpack, xpcall = select, setmetatable, tostring, type, unpack, xpcall
local getinfo, getregistry, sethook = debug.getinfo, debug.getregistry, debug.sethook
local find, format, match = string.find, string.format, string.match

local core = {}

-- The chunks of this package are named "=\1core", "=\1cjson" …: names that `load` gives to nobody else.
local OWN_SOURCE = "^=\1"
local OWN_POSITION = "^\1[%w_]*:%d+: (.*)$"

-- Raised to end a run, whatever the script does: no pcall, xpcall or coroutine stops it.
local FATAL = {}
core.FATAL = FATAL

---- Read-only tables

local READONLY = "Attempt to modify a readonly table"
local real_of = {}       -- proxy -> the table that it stands for
local metatable_of = {}  -- proxy -> what getmetatable says of it
core.READONLY, core.real_of, core.metatable_of = READONLY, real_of, metatable_of

local function refuse()
  error(READONLY)
end

-- A proxy for `real`; scripts see `metatable` (nil for none) as its metatable.
local function protect(real, metatable)
  local proxy = {}
  real_of[proxy] = real
  metatable_of[proxy] = metatable
  return setmetatable(proxy, { __index = real, __newindex = refuse, __metatable = false })
end
core.protect = protect

-- The table that `value` stands for, or `value` itself.
function core.reveal(value)
  return real_of[value] or value
end

-- An opaque value without a metatable, as scripts see it: stands for C's null pointer.
local null = newproxy(true)
getmetatable(null).__tostring = function() return "userdata: (nil)" end
getmetatable(null).__metatable = false
core.null = null

---- Positions of errors

local function at(thread, level)
  if thread then
    return getinfo(thread, level, "Sln")
  end
  return getinfo(level + 1, "Sln")
end

local function is_own(info)
  return find(info.source, OWN_SOURCE) ~= nil
end
core.is_own = is_own

-- The first frame from `level` on that is not of this package, its level, and the last one before that is.
-- A call in tail position leaves no frame but a mark; between two frames of this package it is no matter.
local function skip_own(thread, level)
  local shift, own, seen = thread and 0 or 1, nil, level
  local info = at(thread, seen + shift)
  while info do
    if is_own(info) then
      own, level = info, seen + 1
    elseif info.what ~= "tail" then
      break
    end
    seen = seen + 1
    info = at(thread, seen + shift)
  end
  return at(thread, level + shift), level, own
end

-- Who called the function of this package that failed: the caller's frame and the callee's. The frames on
-- top are those of the error handler, then `error` itself or the library function that raised.
local function blame(thread)
  local info, level, own = skip_own(thread, thread and 0 or 1)
  if info and info.what == "C" then
    local below, _, inner = skip_own(thread, level + 1)
    if inner then
      return below, inner
    end
  end
  return info, own
end

-- "bad argument #2 to 'find' (…)", as the script knows the function: by the name it called, and not
-- counting the object of a method call.
local function rename_argument(text, caller, own)
  local number, rest = match(text, "^bad argument #(%d+) to '[^']*' (.*)$")
  if not number then
    return text
  end
  local name = "?"
  if caller and caller.what ~= "C" and own and own.name then
    name = own.name
    if own.namewhat == "method" then
      number = number - 1
      if number == 0 then
        return format("calling '%s' on bad self %s", name, rest)
      end
    end
  end
  return format("bad argument #%s to '%s' %s", number, name, rest)
end

-- An error message as a script is to see it. `thread` is the dead coroutine that it comes from, if any.
local function describe(message, thread)
  local text = match(message, OWN_POSITION)
  if not text then
    return message
  end
  local caller, own = blame(thread)
  text = rename_argument(text, caller, own)
  if caller and caller.currentline > 0 then
    return caller.short_src .. ":" .. caller.currentline .. ": " .. text
  end
  return text
end

-- Where a script was when it failed, for the end of the error reply. Called by the outermost handler.
function core.where()
  local info, level = skip_own(nil, 1)
  if info and info.what == "C" then
    info = skip_own(nil, level + 1) or info
  end
  if info and info.what ~= "tail" then
    return info.source, info.currentline
  end
end
core.describe = describe

---- Calls in protected mode

-- An exception of Python's can come out of a native function after all: a signal's handler raises wherever it
-- is called. It is handed back to the server, and the run ends.
local function secure(err)
  if type(err) == "userdata" and err ~= null then
    core.abort(err)
    return FATAL
  end
  return err
end
core.secure = secure

local function on_error(err)
  if type(err) == "string" then
    return (describe(err))  -- in brackets: a call in tail position leaves a mark that `blame` stops at
  end
  return (secure(err))
end

-- What follows protected calls is not called in tail position (a call to a library function is no tail
-- call), or the frame in between would be gone when `blame` looks for it.

-- Redis hands a script the text of its own error tables, as it did when errors were texts.
local function settle(ok, ...)
  if ok then
    return true, ...
  end
  local err = ...
  if err == FATAL then
    error(FATAL, 0)
  end
  if type(err) == "table" then
    local text = err.err
    if type(text) == "string" or type(text) == "number" then
      return false, text
    end
  end
  return false, err
end

function core.pcall(...)
  local count = select("#", ...)
  if count == 0 then
    error("bad argument #1 to 'pcall' (value expected)")
  end
  if count == 1 then
    return select(1, settle(xpcall((...), on_error)))
  end
  local callee, arguments = (...), { select(2, ...) }
  return select(1, settle(xpcall(function() return callee(unpack(arguments, 1, count - 1)) end, on_error)))
end

local function pass_on(ok, ...)
  if not ok and (...) == FATAL then
    error(FATAL, 0)
  end
  return ok, ...
end

function core.xpcall(...)
  if select("#", ...) < 2 then
    error("bad argument #2 to 'xpcall' (value expected)")
  end
  local callee, handler = ...
  return select(1, pass_on(xpcall(callee, function(err)
    err = on_error(err)
    if err == FATAL then
      return err
    end
    return handler(err)
  end)))
end

---- Coroutines

local create, resume = coroutine.create, coroutine.resume
local watch_thread  -- set by core.watch: has the instruction hook follow into a coroutine

local function create_watched(...)
  local thread = create(...)
  if watch_thread then
    watch_thread(thread)
  end
  return thread
end

local function settle_resume(thread, ok, ...)
  if ok then
    return true, ...
  end
  local err = secure((...))
  if err == FATAL then
    error(FATAL, 0)
  end
  if type(err) == "string" then
    err = describe(err, thread)
  end
  return false, err
end

local function settle_wrapped(thread, ok, ...)
  if ok then
    return ...
  end
  local err = secure((...))
  if err == FATAL then
    error(FATAL, 0)
  end
  if type(err) == "string" or type(err) == "number" then
    error(describe(tostring(err), thread))
  end
  error(err, 0)
end

core.coroutine = {
  create = create_watched,
  resume = function(...)
    return select(1, settle_resume((...), resume(...)))
  end,
  wrap = function(...)
    local thread = create_watched(...)
    return function(...)
      return select(1, settle_wrapped(thread, resume(thread, ...)))
    end
  end,
  running = coroutine.running,
  status = coroutine.status,
  yield = coroutine.yield,
}

-- Has `poll` called every `instructions` instructions of the VM; a run ends when it returns true. Hooks
-- belong to one thread, and the debug library's own table of hooks keeps a thread's for ever: `forget`
-- drops those of the coroutines of the run that has ended.
function core.watch(poll, instructions)
  local function hook()
    if poll() then
      error(FATAL, 0)
    end
  end
  sethook(hook, "", instructions)
  local hooks, main
  for key, value in pairs(getregistry()) do
    if type(key) == "userdata" and type(value) == "table" then
      local thread, function_ = next(value)
      if function_ == hook then
        hooks, main = value, thread
      end
    end
  end
  assert(hooks, "the debug library keeps its hooks elsewhere")
  local made = false
  watch_thread = function(thread)
    made = true
    sethook(thread, hook, "", instructions)
  end
  -- In place of `hook` from now on, called for `events` (as with debug.sethook), too.
  core.watch_with = function(other, events, count)
    sethook(other, events, count)
    watch_thread = function(thread)
      made = true
      sethook(thread, other, events, count)
    end
  end
  return function()
    if made then
      made = false
      for key in pairs(hooks) do
        if key ~= main then
          hooks[key] = nil
        end
      end
    end
  end
end

return core

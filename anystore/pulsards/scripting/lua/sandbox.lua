-- The globals of scripts, and the few functions by which the server compiles and runs them.
--
-- Called with the core, the libraries and the server's own functions; see `_Natives` in vm.py for those.

local core, base, libraries, natives = ...

local error, pairs, rawset, select, setmetatable = error, pairs, rawset, select, setmetatable
local tonumber, tostring, type, unpack, xpcall = tonumber, tostring, type, unpack, xpcall
local floor = math.floor
local find, format, gsub, match, sub = string.find, string.format, string.gsub, string.match, string.sub
local concat = table.concat
local dump, loadstring, setfenv = string.dump, loadstring, setfenv
local FATAL, describe, protect, where = core.FATAL, core.describe, core.protect, core.where

---- The server's own functions

-- lupa hands arguments over in a tuple grown one by one: beyond a few dozen they go in portions.
local PORTION = 60

local function call_many(count, ...)
  local arguments, add_arguments, sent = { ... }, natives.add_arguments, 0
  while count - sent > PORTION do
    local _, failed = add_arguments(sent, unpack(arguments, sent + 1, sent + PORTION))
    if failed then
      return _, failed
    end
    sent = sent + PORTION
  end
  return natives.call_many(unpack(arguments, sent + 1, count))
end

local native_call = natives.call

-- A native function returns a value, or what is to be raised and true, or nil and "fatal".
local function checked(value, failed)
  if failed then
    if failed == true then
      error(value, 0)
    end
    error(FATAL, 0)
  end
  return value
end

local redis = {
  LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
  REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
  REDIS_VERSION = natives.version,
  REDIS_VERSION_NUM = natives.version_number,
}

function redis.call(...)
  local count, value, failed = select("#", ...), nil, nil
  if count <= PORTION then
    value, failed = native_call(...)
  else
    value, failed = call_many(count, ...)
  end
  if failed then
    error(failed == true and value or FATAL, 0)
  end
  return value
end

function redis.pcall(...)
  local count, value, failed = select("#", ...), nil, nil
  if count <= PORTION then
    value, failed = native_call(...)
  else
    value, failed = call_many(count, ...)
  end
  if failed and (failed ~= true or type(value) ~= "table") then
    error(failed == true and value or FATAL, 0)
  end
  return value
end

local function failure(text)
  if natives.note_failure then
    natives.note_failure(text)  -- a debugger wants to know
  end
  return { err = "ERR " .. text }
end

local function raise(text)
  error(failure(text), 0)
end

-- An error as the server words it: its code first. One without a space has none, and gets the general one.
local function error_text(text)
  text = sub(text, 1, (find(text, "%z") or 0) - 1)
  if sub(text, 1, 1) == "-" then
    text = sub(text, 2)
  end
  local code, message = match(text, "^([^ ]*) (.*)$")
  if not code then
    code, message = "ERR", text
  end
  message = gsub(gsub(message, "^[\r\n]+", ""), "[\r\n]+$", "")
  return code .. " " .. message
end

function redis.error_reply(...)
  local text = ...
  if select("#", ...) ~= 1 or type(text) ~= "string" then
    return failure("wrong number or type of arguments")
  end
  return { err = error_text(text) }
end

function redis.status_reply(...)
  local text = ...
  if select("#", ...) ~= 1 or type(text) ~= "string" then
    return failure("wrong number or type of arguments")
  end
  return { ok = text }
end

function redis.sha1hex(...)
  if select("#", ...) ~= 1 then
    raise("wrong number of arguments")
  end
  local text = ...
  if type(text) == "number" then
    text = tostring(text)
  end
  return (checked(natives.sha1hex(type(text) == "string" and text or "")))
end

local function number_of(value)
  return type(value) == "number" and value or type(value) == "string" and tonumber(value) or nil
end

function redis.log(...)
  local count = select("#", ...)
  if count < 2 then
    raise("redis.log() requires two arguments or more.")
  end
  local level = number_of((...))
  if not level then
    raise("First argument must be a number (log level).")
  end
  level = level < 0 and -floor(-level) or floor(level)
  if not (level >= 0 and level <= 3) then
    raise("Invalid debug level.")
  end
  local words = {}
  for index = 2, count do
    local word = select(index, ...)
    if type(word) == "string" or type(word) == "number" then
      words[#words + 1] = tostring(word)
    end
  end
  checked(natives.log(level, concat(words, " ")))
end

function redis.setresp(...)
  if select("#", ...) ~= 1 then
    raise("redis.setresp() requires one argument.")
  end
  local version = floor(number_of((...)) or 0)
  if version ~= 2 and version ~= 3 then
    raise("RESP version must be 2 or 3.")
  end
  checked(natives.set_protocol(version))
end

function redis.set_repl(...)
  if select("#", ...) ~= 1 then
    raise("redis.set_repl() requires one argument.")
  end
  local flags = floor(number_of((...)) or 0)
  if flags < 0 or flags > 3 then
    raise("Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
  end
  checked(natives.set_replication(flags))
end

function redis.acl_check_cmd(...)
  return (checked(natives.check_permission(...)))
end

-- What is for the debugger, which replaces these two (debugger.lua), and what the replication of effects left behind.
function redis.breakpoint() return false end
function redis.debug() end
function redis.replicate_commands() return true end

---- Random numbers: drand48 from the same seed on every server, so that scripts give the same everywhere

-- The state is 48 bits in two halves of 24, since doubles hold 53 bits only.
local MULTIPLIER_HIGH, MULTIPLIER_LOW, ADDEND = 0x5DE, 0xECE66D, 0xB
local high, low = 0x1234AB, 0xCD330E

local function seed(number)
  number = number % 4294967296
  high, low = floor(number / 256), number % 256 * 65536 + 0x330E
end

local function random31()
  local product = low * MULTIPLIER_LOW + ADDEND
  local carry = floor(product / 16777216)
  high = (high * MULTIPLIER_LOW + low * MULTIPLIER_HIGH + carry) % 16777216
  low = product % 16777216
  return floor((high * 16777216 + low) / 131072)
end

local function to_int(position, name, ...)
  local value = (select(position, ...))
  local number = number_of(value)
  if not number then
    error(format("bad argument #%d to '%s' (number expected, got %s)", position, name,
                 position > select("#", ...) and "no value" or type(value)))
  end
  number = number < 0 and -floor(-number) or floor(number)
  number = number % 4294967296
  return number < 2147483648 and number or number - 4294967296
end

local function random(...)
  local count = select("#", ...)
  local fraction = random31() % 2147483647 / 2147483647
  if count == 0 then
    return fraction
  elseif count == 1 then
    local limit = to_int(1, "random", ...)
    if limit < 1 then
      error("bad argument #1 to 'random' (interval is empty)")
    end
    return floor(fraction * limit) + 1
  elseif count == 2 then
    local first, last = to_int(1, "random", ...), to_int(2, "random", ...)
    if first > last then
      error("bad argument #2 to 'random' (interval is empty)")
    end
    return floor(fraction * (last - first + 1)) + first
  end
  error("wrong number of arguments")
end

local function randomseed(...)
  seed(to_int(1, "randomseed", ...))
end

---- The globals

local function copy(source, into)
  for name, value in pairs(source) do
    into[name] = value
  end
  return into
end

local globals = {
  _VERSION = _VERSION,
  assert = assert, error = error, gcinfo = gcinfo, ipairs = ipairs, rawequal = rawequal, select = select,
  tonumber = tonumber, tostring = tostring, type = type,
  pcall = core.pcall, xpcall = core.xpcall,
  coroutine = protect(core.coroutine),
  os = protect({ clock = os.clock }),
  table = protect(base.guard_tables(copy(table, {}))),
  math = protect(copy({ random = random, randomseed = randomseed }, copy(math, {}))),
  redis = protect(redis),
}
globals.server = globals.redis
copy(base.functions, globals)
for name, library in pairs(libraries) do
  globals[name] = protect(type(library) == "function" and library() or library)
end

-- Methods of strings (("x"):upper()) come from the library's own table: what is replaced is replaced there.
base.guard_strings(string)
globals.string = protect(string)
local string_metatable = getmetatable("")
string_metatable.__metatable = protect({ __index = globals.string })

local function missing(_, name)
  error(format("Script attempted to access nonexistent global variable '%s'", tostring(name)))
end
setmetatable(globals, { __index = missing })

local environment = protect(globals, protect({ __index = missing }))
globals._G = environment
globals.load, globals.loadstring = base.loaders(environment)

---- Compiling and running

local scripts = {}  -- sha1 -> function
local inside = false  -- whether a script is running: nothing else may be stopped
local forget_threads = core.watch(function() return inside and natives.poll() end, natives.instructions)

core.abort = natives.abort

local server = {}

-- Compiles a script's text. Nil, or the compiler's message. `patch` is given the compiled code.
function server.define(sha, text, patch)
  local script, message = base.compile(text, "@user_script", environment)
  if not script then
    return message
  end
  if patch then
    local patched = patch(dump(script))
    if patched then
      script = setfenv(loadstring(patched, "@user_script"), environment)
    end
  end
  scripts[sha] = script
end

function server.remove(sha)
  scripts[sha] = nil
end

-- Drops every script, and the options that scripts have set.
function server.reset()
  scripts = {}
  globals.cjson = protect(libraries.cjson())
end

-- What a failed run leaves: the error's text, and where the script was.
local function on_failure(err)
  local source, line = where()
  if core.secure(err) == FATAL then
    return { fatal = true, source = source, line = line }
  end
  if type(err) ~= "table" then
    if type(err) == "string" then
      err = describe(err)
    end
    return { text = "ERR " .. tostring(err), source = source, line = line }
  end
  local text = err.err
  if type(text) == "number" then
    text = tostring(text)
  end
  return {
    text = type(text) == "string" and text or "ERR unknown error",
    source = source,
    line = line,
    counted = err.ignore_error_stats_update == true,
  }
end

local function finish(ok, result)
  inside = false
  globals.KEYS, globals.ARGV = nil, nil
  forget_threads()
  if ok then
    return result
  end
  if result == "not enough memory" then
    return false, "ERR not enough memory"  -- a constant: there is none left for making it
  elseif type(result) ~= "table" then  -- an error while handling one
    return false, "ERR " .. tostring(result)
  end
  return false, result.text, result.source, result.line, result.counted
end

-- Runs a script: one value, or false and an error's text (nil: the server knows), source, line and whether
-- the server's statistics know it.
function server.run(sha, key_count, ...)
  local count = select("#", ...)
  local keys, arguments
  if key_count == 0 then
    keys, arguments = {}, { ... }
  elseif key_count == count then
    keys, arguments = { ... }, {}
  elseif key_count == 1 then
    keys, arguments = { (...) }, { select(2, ...) }
  else
    local all = { ... }
    keys, arguments = { unpack(all, 1, key_count) }, { unpack(all, key_count + 1, count) }
  end
  rawset(globals, "KEYS", keys)
  rawset(globals, "ARGV", arguments)
  inside = true
  return finish(xpcall(scripts[sha], on_failure))
end

-- The same for more arguments than fit on the VM's stack.
function server.run_with(sha, keys, arguments)
  rawset(globals, "KEYS", keys)
  rawset(globals, "ARGV", arguments)
  inside = true
  return finish(xpcall(scripts[sha], on_failure))
end

-- For functions.lua, which runs other code in the same manner, and for debugger.lua, which watches it run.
server.parts = {
  environment = environment,
  globals = globals,
  natives = natives,
  missing = missing,
  redis = redis,
  execute = function(callee)
    inside = true
    return finish(xpcall(callee, on_failure))
  end,
}

return server

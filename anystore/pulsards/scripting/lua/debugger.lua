-- The debugger's part inside the VM: stops the script at its lines, and shows what is on its stack.
--
-- When to stop, and what the client's words mean, is for `debugger.py` to say: each stop asks it for one thing to do
-- after the other (`natives.stop`, `natives.next`), until the script is to go on. While the hook runs, Lua calls no
-- hook, so whatever could take for ever runs in a coroutine, where the count of instructions ends it.

local core, base, server = ...

local error, next, pcall, select, tostring, type, unpack = error, next, pcall, select, tostring, type, unpack
local create, resume, running, status = coroutine.create, coroutine.resume, coroutine.running, coroutine.status
local getinfo, getlocal, sethook = debug.getinfo, debug.getlocal, debug.sethook
local byte, find, format, gsub, match = string.byte, string.find, string.format, string.gsub, string.match
local concat = table.concat
local FATAL, null, real_of = core.FATAL, core.null, core.real_of
local parts = server.parts
local natives, redis = parts.natives, parts.redis

local SCRIPT = "user_script"
local DEEPEST = 10
-- Values shown of one variable: a table that holds itself often enough would have no end.
local MOST_VALUES = 20000
local CUT = "<too many values>"

-- What a native returns: the values, but where it has failed.
local function checked(value, ...)
  local failed = ...
  if failed == true then
    error(value, 0)
  elseif value == nil and failed == "fatal" then
    error(FATAL, 0)
  end
  return value, ...
end

---- Values as text

local ESCAPES = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\a"] = "\\a", ["\b"] = "\\b" }

local function escape(character)
  return ESCAPES[character] or format("\\x%02x", byte(character))
end

local function quoted(text)
  return '"' .. gsub(text, '["\\%z\1-\31\127-\255]', escape) .. '"'
end

local NAMES = { ["function"] = "function", thread = "thread", userdata = "userdata" }

local left  -- of MOST_VALUES

local function shown(value, depth)
  left = left - 1
  if left <= 0 then
    return CUT
  elseif depth == DEEPEST then
    return "<max recursion level reached! Nested table?>"
  end
  local kind = type(value)
  if kind == "string" then
    return quoted(value)
  elseif kind == "number" then
    return format("%g", value)
  elseif kind == "nil" or kind == "boolean" then
    return tostring(value)
  elseif value == null then
    return '"light-userdata@(nil)"'
  elseif kind ~= "table" then
    return format('"%s@%s"', NAMES[kind], match(tostring(value), ": (.*)$") or "?")
  end
  local items, pairs_, count, is_array = {}, {}, 0, true
  for key, item in next, real_of[value] or value do
    count = count + 1
    is_array = is_array and key == count
    items[count] = shown(item, depth + 1)
    pairs_[count] = "[" .. shown(key, depth + 1) .. "]=" .. items[count]
    if left <= 0 then
      items[count + 1], pairs_[count + 1] = CUT, CUT
      break
    end
  end
  return "{" .. concat(is_array and items or pairs_, "; ") .. "}"
end

local function show(value)
  left = MOST_VALUES
  return shown(value, 0)
end

---- What can be asked at a stop. The level of the stopped function is 4: above it are the hook, `stop` and the action.

local STOPPED = 4
local actions = {}

-- Whether a function is the client's, and not one of this package's or of Lua's own libraries.
local function is_shown(level)
  local info = getinfo(level + 1, "S")
  return info.what ~= "C" and not core.is_own(info)
end

function actions.print_all()
  local index, count = 1, 0
  while true do
    local name, value = getlocal(STOPPED, index)
    if not name then
      break
    end
    if not find(name, "(*temporary)", 1, true) then
      checked(natives.show("<value> " .. name .. " = " .. show(value)))
      count = count + 1
    end
    index = index + 1
  end
  if count == 0 then
    checked(natives.say("No local variables in the current context."))
  end
end

function actions.print(wanted)
  local level = STOPPED
  while getinfo(level, "S") do
    local index = is_shown(level) and 1 or 0
    while index > 0 do
      local name, value = getlocal(level, index)
      if name == wanted then
        checked(natives.show("<value> " .. show(value)))
        return
      end
      index = name and index + 1 or 0
    end
    level = level + 1
  end
  if wanted == "KEYS" or wanted == "ARGV" then
    checked(natives.show("<value> " .. show(parts.globals[wanted])))
  else
    checked(natives.say("No such variable."))
  end
end

function actions.trace()
  local level = STOPPED
  local info = getinfo(level, "Snl")
  while info do
    if find(info.short_src, SCRIPT, 1, true) then
      local place = level == STOPPED and "In " or "From "
      checked(natives.say(place .. (info.name or "top level") .. ":"))
      checked(natives.say_line(info.currentline))
    end
    level = level + 1
    info = getinfo(level, "Snl")
  end
end

local function poll()
  if natives.poll() then
    error(FATAL, 0)
  end
end

-- The text of an error that code of the client's ended with; FATAL goes on.
local function failure_of(err, thread)
  err = core.secure(err)
  if err == FATAL then
    error(FATAL, 0)
  end
  if type(err) == "table" then
    err = err.err
  elseif type(err) == "string" then
    err = core.describe(err, thread)
  end
  return (type(err) == "string" or type(err) == "number") and tostring(err) or "(null)"
end

-- The client's own code ends with the client, while the script may go on.
local function poll_eval()
  if checked(natives.has_gone()) then
    error(FATAL, 0)
  end
  poll()
end

function actions.eval(code)
  local chunk = base.compile("return " .. code, "@ldb_eval", parts.environment)
  if not chunk then
    local message
    chunk, message = base.compile(code, "@ldb_eval", parts.environment)
    if not chunk then
      checked(natives.say("<error> " .. message))
      return
    end
  end
  local thread = create(chunk)
  sethook(thread, poll_eval, "", natives.instructions)
  local ok, value = resume(thread)
  local failure
  if not ok and value == FATAL and checked(natives.has_gone()) then
    return
  elseif not ok then
    failure = failure_of(value, thread)
  elseif status(thread) == "suspended" then
    failure = "attempt to yield across metamethod/C-call boundary"
  end
  sethook(thread)
  thread = nil  -- what its code had filled the memory with is garbage from here on
  if failure then
    checked(natives.say("<error> " .. failure))
  else
    checked(natives.show("<retval> " .. show(value)))
  end
end

-- The words of a command; what it is answered is said on the way.
function actions.call(words)
  local ok, err = pcall(redis.call, unpack(words, 1, #words))
  if not ok then
    failure_of(err)
  end
  checked(natives.called())
end

actions["raise"] = function(text)
  error({ err = "ERR " .. text }, 0)
end

---- Stopping

local function stop(event, line)
  local word, argument = checked(natives.stop(event, line))
  while word do
    actions[word](argument)
    word, argument = checked(natives.next())
  end
end

-- The VM counts the instructions of this hook, too, and drops the event where the count ends among them. So lines count.
local LINES = 2000
local lines_left = LINES

local function hook(event, line)
  lines_left = lines_left - 1
  if lines_left <= 0 then
    event, lines_left = "count", LINES
  end
  if event == "count" then
    poll()
  end
  local info = getinfo(2, "Sl")
  if find(info.short_src, SCRIPT, 1, true) then
    stop(event, line or info.currentline)
    return  -- not in tail position: levels are counted
  end
end

function server.watch_lines()
  core.watch_with(hook, "l", natives.instructions)
end

---- What scripts may call

function redis.debug(...)
  local texts = {}
  for index = 1, select("#", ...) do
    texts[index] = show((select(index, ...)))
  end
  checked(natives.debug(concat(texts, ", ")))
end

function redis.breakpoint()
  checked(natives.set_breakpoint())
  return true
end

local error_reply = redis.error_reply
function redis.error_reply(...)
  local text = ...
  local reply = error_reply(...)
  if select("#", ...) == 1 and type(text) == "string" then
    natives.note_failure("-" .. gsub(text, "^%-", ""))
  end
  return reply
end

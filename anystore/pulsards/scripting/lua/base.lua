-- The functions of Lua's own libraries that see through read-only tables, crash, or reach what is not for
-- scripts, as scripts get them instead.

local core = ...

local collectgarbage, error, getmetatable, load, loadstring = collectgarbage, error, getmetatable, load, loadstring
local next, pairs, rawget, rawset, select, setfenv = next, pairs, rawget, rawset, select, setfenv
local setmetatable, tonumber, type, unpack = setmetatable, tonumber, type, unpack
local byte, find, gsub = string.byte, string.find, string.gsub
local concat = table.concat
local getinfo = debug.getinfo
local READONLY, null, is_own = core.READONLY, core.null, core.is_own
local metatable_of, real_of = core.metatable_of, core.real_of

local OWN_SOURCE = "^=\1"

local base = {}
local functions = {}  -- of the base library, by name
base.functions = functions

function functions.next(...)
  local real = real_of[(...)]
  if real then
    return next(real, (select(2, ...)))
  end
  return next(...)
end

function functions.pairs(...)
  local proxy = ...
  if real_of[proxy] then
    return functions.next, proxy, nil
  end
  return pairs(...)
end

function functions.rawget(...)
  local real = real_of[(...)]
  if real and select("#", ...) > 1 then
    return rawget(real, (select(2, ...)))
  end
  return rawget(...)
end

function functions.rawset(...)
  if real_of[(...)] then
    error(READONLY, 0)
  end
  return rawset(...)
end

function functions.setmetatable(...)
  if real_of[(...)] then
    error(READONLY, 0)
  end
  return setmetatable(...)
end

function functions.getmetatable(...)
  local value = ...
  if real_of[value] then
    return metatable_of[value]
  end
  if value == null then
    return nil
  end
  return getmetatable(...)
end

local function to_int(value)
  local number = tonumber(value)
  if not number or not (number > -9223372036854775808 and number < 9223372036854775808) then
    return 0
  end
  number = number < 0 and -(-number - -number % 1) or number - number % 1
  number = number % 4294967296
  return number < 2147483648 and number or number - 4294967296
end

-- Stock unpack counts in C's int, and crashes where that overflows.
function functions.unpack(...)
  if select("#", ...) > 2 then
    local _, first, last = ...
    if last ~= nil and to_int(last) - to_int(first == nil and 1 or first) >= 8000 then
      error("too many results to unpack")
    end
  end
  return unpack(...)
end

-- The garbage collector belongs to the server: its pace is not for scripts to set.
local pace = { setpause = 200, setstepmul = 200 }
function functions.collectgarbage(...)
  local option, value = ...
  if option == "stop" or option == "restart" then
    return 0
  end
  if pace[option] then
    local before = pace[option]
    pace[option] = to_int(value)
    return before
  end
  return collectgarbage(...)
end

---- Compiling

local ESCAPE = 27

-- Compiles a script's text so that it sees `environment` only; nil and an error message if it is no Lua.
local function compile(text, name, environment)
  if find(name, OWN_SOURCE) then
    name = "=?"
  end
  if byte(text, 1) == ESCAPE then
    text = " " .. text  -- or it would be taken for compiled code, which could make the VM do anything
  end
  local chunk, message = loadstring(text, name)
  if chunk then
    return setfenv(chunk, environment)
  end
  return nil, message
end
base.compile = compile

-- loadstring and load for scripts. Stock load is not used: what its reader does can free what it holds.
function base.loaders(environment)
  -- All that a reader gives; nil if one piece is no text. Stops early where the rest can mend nothing, since
  -- stock load would not ask for it: tried whenever the number of pieces has doubled.
  local function read_all(reader)
    local pieces, next_try = {}, 16
    while true do
      local piece = reader()
      if piece == nil or piece == "" then
        return concat(pieces)
      end
      if type(piece) ~= "string" and type(piece) ~= "number" then
        return nil
      end
      pieces[#pieces + 1] = piece
      if #pieces == next_try then
        next_try = next_try * 2
        local text = concat(pieces)
        local _, message = loadstring(text)
        if message and not find(message, "near '<eof>'", 1, true) then
          return text
        end
      end
    end
  end

  local function load_from(...)
    local reader, name = ...
    if type(reader) ~= "function" or (name ~= nil and type(name) ~= "string") then
      return load(...)  -- raises, telling of the argument
    end
    local ok, text = core.pcall(read_all, reader)
    if not ok then
      return nil, text
    elseif not text then
      local message = core.describe("\1base:0: reader function must return a string")
      return nil, message
    end
    return compile(text, name == nil and "=(load)" or name, environment)
  end

  local function load_text(...)
    local text, name = ...
    if type(text) == "string" then
      if name == nil then
        return compile(text, text, environment)
      elseif type(name) == "string" then
        return compile(text, name, environment)
      end
    end
    local chunk, message = loadstring(...)
    if chunk then
      return setfenv(chunk, environment)
    end
    return nil, message
  end

  return load_from, load_text
end

---- The string and table libraries, where stock ones crash or see through proxies

-- Lua 5.1 matches by recursion in C, one call for each quantifier and capture: a long enough pattern
-- overruns the stack. What fits any thread's stack with room to spare:
local MOST_RECURSIONS = 4096

local function is_too_complex(pattern)
  if type(pattern) == "string" and #pattern > MOST_RECURSIONS then
    local _, count = gsub(pattern, "[%?%*%+%-%(%)]", "")
    return count > MOST_RECURSIONS
  end
  return false
end

function base.guard_strings(strings)
  local find, gmatch, gsub, match = strings.find, strings.gmatch, strings.gsub, strings.match
  local dump = strings.dump

  function strings.find(...)
    local _, pattern, _, plain = ...
    if is_too_complex(pattern) and not plain then
      error("pattern too complex")
    end
    return find(...)
  end

  function strings.match(...)
    local _, pattern = ...
    if is_too_complex(pattern) then
      error("pattern too complex")
    end
    return match(...)
  end

  function strings.gmatch(...)
    local _, pattern = ...
    if is_too_complex(pattern) then
      error("pattern too complex")
    end
    return gmatch(...)
  end
  strings.gfind = strings.gfind and strings.gmatch

  function strings.gsub(...)
    local _, pattern = ...
    if is_too_complex(pattern) then
      error("pattern too complex")
    end
    return gsub(...)
  end

  -- What is C in Redis has no code to dump.
  function strings.dump(...)
    local callee = ...
    if type(callee) == "function" and is_own(getinfo(callee, "S")) then
      error("unable to dump given function")
    end
    return dump(...)
  end
  return strings
end

function base.guard_tables(tables)
  local foreach, insert = tables.foreach, tables.insert

  function tables.insert(...)
    if real_of[(...)] then
      error(READONLY, 0)
    end
    return insert(...)
  end

  if foreach then
    function tables.foreach(...)
      local real = real_of[(...)]
      if real then
        return foreach(real, (select(2, ...)))
      end
      return foreach(...)
    end
  end
  return tables
end

return base

-- Libraries of functions: their code runs once, when it is loaded, and sees little but redis.register_function;
-- what it has registered is run later, with everything that scripts see but KEYS and ARGV.

local core, base, server = ...

local pairs, setmetatable, tostring, type, unpack = pairs, setmetatable, tostring, type, unpack
local error, next, select = error, next, select
local find = string.find
local dump, loadstring, setfenv = string.dump, loadstring, setfenv
local parts = server.parts

-- What belongs to scripts only.
parts.redis.breakpoint, parts.redis.debug, parts.redis.replicate_commands = nil, nil, nil

local chunks = {}     -- library -> its code, compiled
local callbacks = {}  -- library .. ":" .. name -> function
local names = {}      -- library -> the names of its functions
local loading         -- the library whose code is running
local registered      -- what it has registered so far

---- redis.register_function

local FLAGS = {
  ["no-writes"] = true, ["allow-oom"] = true, ["allow-stale"] = true, ["no-cluster"] = true,
  ["allow-cross-slot-keys"] = true,
}

local function raise(text)
  error({ err = "ERR " .. text }, 0)
end

local function text_of(value)
  if type(value) == "string" or type(value) == "number" then
    return tostring(value)
  end
end

local function flags_of(value)
  if type(value) ~= "table" then
    raise("flags argument to redis.register_function must be a table representing function flags")
  end
  local flags, index = {}, 1
  while value[index] ~= nil do
    if not FLAGS[value[index]] then
      raise("unknown flag given")
    end
    flags[index] = value[index]
    index = index + 1
  end
  return flags
end

local readers = {
  function_name = function(value)
    return text_of(value) or raise("function_name argument given to redis.register_function must be a string")
  end,
  description = function(value)
    return text_of(value) or raise("description argument given to redis.register_function must be a string")
  end,
  callback = function(value)
    if type(value) ~= "function" then
      raise("callback argument given to redis.register_function must be a function")
    end
    return value
  end,
  flags = flags_of,
}

local function named(arguments)
  if type(arguments) ~= "table" then
    raise("calling redis.register_function with a single argument is only applicable to Lua table"
      .. " (representing named arguments).")
  end
  local found = {}
  for key, value in next, core.reveal(arguments) do
    if type(key) ~= "string" and type(key) ~= "number" then
      raise("named argument key given to redis.register_function is not a string")
    end
    local reader = readers[key]
    if not reader then
      raise("unknown argument given to redis.register_function")
    end
    found[key] = reader(value)
  end
  if not found.function_name then
    raise("redis.register_function must get a function name argument")
  elseif not found.callback then
    raise("redis.register_function must get a callback argument")
  end
  return found.function_name, found.callback, found.description, found.flags
end

local function positional(name, callback)
  name = text_of(name) or raise("first argument to redis.register_function must be a string")
  if type(callback) ~= "function" then
    raise("second argument to redis.register_function must be a function")
  end
  return name, callback
end

local function register_function(...)
  if not loading then
    raise("redis.register_function can only be called on FUNCTION LOAD command")
  end
  local count = select("#", ...)
  if count < 1 or count > 2 then
    raise("wrong number of arguments to redis.register_function")
  end
  local name, callback, description, flags
  if count == 1 then
    name, callback, description, flags = named((...))
  else
    name, callback = positional(...)
  end
  if not find(name, "^[%w_]+$") then
    raise("Library names can only contain letters, numbers, or underscores(_) and must be at least one"
      .. " character long")
  end
  local key = loading .. ":" .. name
  if callbacks[key] then
    raise("Function already exists in the library")
  end
  callbacks[key] = callback
  names[loading][name] = true
  registered[#registered + 1] = { name, description or false, flags or {} }
end

---- What code sees while it is loaded, and afterwards

local api = { register_function = register_function, log = parts.redis.log }
for name, value in pairs(parts.redis) do
  if find(name, "^LOG_") or find(name, "^REDIS_VERSION") then
    api[name] = value
  end
end
local while_loading = setmetatable(
  { redis = core.protect(setmetatable(api, { __index = parts.missing })) }, { __index = parts.missing }
)
while_loading.server = while_loading.redis

local view = {
  __index = parts.globals,
  __newindex = function() error(core.READONLY) end,
  __metatable = false,
}
local environment = setmetatable({}, view)
core.real_of[environment] = {}
core.metatable_of[environment] = core.protect({ __index = parts.missing })

---- Compiling and running

local function finish_loading(...)
  loading, view.__index = nil, parts.globals
  return ...
end

-- Forgets a library; its code may have been cut off while it was loaded.
function server.remove(library)
  if loading == library then
    finish_loading()
  end
  for name in pairs(names[library] or {}) do
    callbacks[library .. ":" .. name] = nil
  end
  names[library], chunks[library] = nil, nil
end

-- Compiles a library's code. Nil, or the compiler's message. `patch` is given the compiled code.
function server.define(library, text, patch)
  local chunk, message = base.compile(text, "@user_function", environment)
  if not chunk then
    return message
  end
  local patched = patch and patch(dump(chunk))
  if patched then
    chunk = setfenv(loadstring(patched, "@user_function"), environment)
  end
  chunks[library] = chunk
end

-- Runs a library's code: a list of name, description (or false) and flags of each function.
local function load_library(library)
  local chunk = chunks[library]
  loading, registered, names[library], chunks[library] = library, {}, {}, nil
  view.__index = while_loading
  return finish_loading(parts.execute(function()
    chunk()
    return registered
  end))
end

-- Runs a function, or the code of a library that has not run yet: what it returns, as with scripts.
function server.run_with(key, keys, arguments)
  if chunks[key] then
    return load_library(key)
  end
  local callback = callbacks[key]
  return parts.execute(function()
    return (callback(keys, arguments))
  end)
end

function server.run(key, key_count, ...)
  local all, count = { ... }, select("#", ...)
  return server.run_with(key, { unpack(all, 1, key_count) }, { unpack(all, key_count + 1, count) })
end

-- The library `cjson`: JSON as lua-cjson 2.1 writes and reads it, options and errors included.
--
-- In Lua, so that a long document is polled for SCRIPT KILL and held to the VM's memory limit like anything
-- else, and bytes that are no UTF-8 pass as they are. See "Choices" in the package's docstring for measures.

local core, new_encoder, new_decoder = ...

local error, select, tonumber, type = error, select, tonumber, type
local floor, format = math.floor, string.format

local INT_MAX = 2147483647

-- Marks an array that was decoded with decode_array_with_array_mt on: it is an array even if empty.
local array_metatable = core.protect({})

local function refuse_argument(position, name, reason)
  error(format("bad argument #%d to '%s' (%s)", position, name, reason))
end

local function check_count(name, most, ...)
  if select("#", ...) > most then
    refuse_argument(most + 1, name, "found too many arguments")
  end
end

-- A library with options of its own; cjson.new makes more of them.
local new_library
function new_library()
  local options = {
    sparse_convert = false, sparse_ratio = 2, sparse_safe = 10,
    encode_max_depth = 1000, decode_max_depth = 1000,
    number_format = "%.14g", precision = 14, keep_buffer = true,
    encode_invalid = "off", decode_invalid = true, mark_arrays = false,
  }
  local cjson = {
    _NAME = "cjson",
    _VERSION = "2.1.0",
    null = core.null,
    new = new_library,
    encode = new_encoder(options, array_metatable),
    decode = new_decoder(options, array_metatable),
  }

  local function integer_option(function_name, position, value, setting, least, most)
    if value ~= nil then
      local number = type(value) == "number" and value or type(value) == "string" and tonumber(value)
      if not number then
        refuse_argument(position, function_name, "number expected, got " .. type(value))
      end
      number = number < 0 and -floor(-number) or floor(number)
      if number < least or number > most then
        refuse_argument(1, function_name, format("expected integer between %d and %d", least, most))
      end
      options[setting] = number
    end
    return options[setting]
  end

  local function flag_option(function_name, value, setting)
    if type(value) == "boolean" then
      options[setting] = value
    elseif type(value) == "string" or type(value) == "number" then
      if value ~= "on" and value ~= "off" then
        refuse_argument(1, function_name, format("invalid option '%s'", value))
      end
      options[setting] = value == "on"
    elseif value ~= nil then
      refuse_argument(1, function_name, "string expected, got " .. type(value))
    end
    return options[setting]
  end

  function cjson.encode_sparse_array(...)
    check_count("encode_sparse_array", 3, ...)
    local convert, ratio, safe = ...
    convert = flag_option("encode_sparse_array", convert, "sparse_convert")
    ratio = integer_option("encode_sparse_array", 2, ratio, "sparse_ratio", 0, INT_MAX)
    safe = integer_option("encode_sparse_array", 3, safe, "sparse_safe", 0, INT_MAX)
    return convert, ratio, safe
  end

  function cjson.encode_max_depth(...)
    check_count("encode_max_depth", 1, ...)
    return (integer_option("encode_max_depth", 1, (...), "encode_max_depth", 1, INT_MAX))
  end

  function cjson.decode_max_depth(...)
    check_count("decode_max_depth", 1, ...)
    return (integer_option("decode_max_depth", 1, (...), "decode_max_depth", 1, INT_MAX))
  end

  function cjson.encode_number_precision(...)
    check_count("encode_number_precision", 1, ...)
    local precision = integer_option("encode_number_precision", 1, (...), "precision", 1, 14)
    options.number_format = "%." .. precision .. "g"
    return precision
  end

  function cjson.encode_keep_buffer(...)
    check_count("encode_keep_buffer", 1, ...)
    return (flag_option("encode_keep_buffer", (...), "keep_buffer"))
  end

  function cjson.encode_invalid_numbers(...)
    check_count("encode_invalid_numbers", 1, ...)
    local value = ...
    if type(value) == "boolean" then
      options.encode_invalid = value and "on" or "off"
    elseif value == "off" or value == "on" or value == "null" then
      options.encode_invalid = value
    elseif type(value) == "string" or type(value) == "number" then
      refuse_argument(1, "encode_invalid_numbers", format("invalid option '%s'", value))
    elseif value ~= nil then
      refuse_argument(1, "encode_invalid_numbers", "string expected, got " .. type(value))
    end
    local mode = options.encode_invalid
    if mode == "null" then
      return mode
    end
    return mode == "on"
  end

  function cjson.decode_invalid_numbers(...)
    check_count("decode_invalid_numbers", 1, ...)
    return (flag_option("decode_invalid_numbers", (...), "decode_invalid"))
  end

  function cjson.decode_array_with_array_mt(...)
    check_count("decode_array_with_array_mt", 1, ...)
    return (flag_option("decode_array_with_array_mt", (...), "mark_arrays"))
  end

  return cjson
end

return new_library

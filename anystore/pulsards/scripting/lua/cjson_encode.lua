-- Encoding for the library `cjson`; see cjson.lua.

local core = ...

local error, getmetatable, next, rawget, select, type = error, getmetatable, next, rawget, select, type
local char, find, format, gsub = string.char, string.find, string.format, string.gsub
local concat = table.concat
local null, reveal = core.null, core.reveal

-- Nesting that does not fit on the original's stack is refused whatever the options say: an array takes a
-- slot of it, an object two.
local SLOTS = 8000
local INT_MAX = 2147483647

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["/"] = "\\/", ["\b"] = "\\b", ["\t"] = "\\t",
                  ["\n"] = "\\n", ["\f"] = "\\f", ["\r"] = "\\r", ["\127"] = "\\u007f" }
for code = 0, 31 do
  local letter = char(code)
  ESCAPES[letter] = ESCAPES[letter] or format("\\u%04x", code)
end

local function quote(text)
  if find(text, '[%c"\\/]') then
    text = gsub(text, '[%c"\\/]', ESCAPES)
  end
  return '"' .. text .. '"'
end

local function refuse(value, reason)
  error(format("Cannot serialise %s: %s", type(value), reason))
end

-- A function that encodes as `options` say; `array_metatable` marks tables that are arrays even if empty.
return function(options, array_metatable)
  local function number_text(number)
    if number - number ~= 0 then
      local mode = options.encode_invalid
      if mode == "off" then
        refuse(number, "must not be NaN or Inf")
      elseif mode == "null" then
        return "null"
      elseif number ~= number then
        return "nan"
      end
    end
    return (format(options.number_format, number))
  end

  -- The highest index if the table is an array, else nil.
  local function array_length(values)
    local highest, count = 0, 0
    for key in next, values do
      if type(key) ~= "number" or key < 1 or key % 1 ~= 0 then
        return nil
      end
      if key > highest then
        highest = key <= INT_MAX and key or -INT_MAX - 1  -- as C's int has it
      end
      count = count + 1
    end
    local ratio = options.sparse_ratio
    if ratio > 0 and highest > count * ratio and highest > options.sparse_safe then
      if not options.sparse_convert then
        refuse(values, "excessively sparse array")
      end
      return nil
    end
    return highest
  end

  local append

  local function append_array(out, values, length, depth, slots)
    out[#out + 1] = "["
    for index = 1, length do
      if index > 1 then
        out[#out + 1] = ","
      end
      append(out, rawget(values, index), depth, slots + 1)
    end
    out[#out + 1] = "]"
  end

  local function append_object(out, values, depth, slots)
    out[#out + 1] = "{"
    local first = true
    for key, value in next, values do
      local kind = type(key)
      if kind == "string" then
        key = quote(key)
      elseif kind == "number" then
        key = '"' .. number_text(key) .. '"'
      else
        refuse(key, "table key must be a number or string")
      end
      out[#out + 1] = first and key or "," .. key
      out[#out + 1] = ":"
      first = false
      append(out, value, depth, slots + 2)
    end
    out[#out + 1] = "}"
  end

  function append(out, value, depth, slots)
    local kind = type(value)
    if kind == "string" then
      out[#out + 1] = quote(value)
    elseif kind == "number" then
      out[#out + 1] = number_text(value)
    elseif kind == "boolean" then
      out[#out + 1] = value and "true" or "false"
    elseif kind == "nil" or value == null then
      out[#out + 1] = "null"
    elseif kind == "table" then
      depth = depth + 1
      if depth > options.encode_max_depth or slots + 4 > SLOTS then
        error(format("Cannot serialise, excessive nesting (%d)", depth))
      end
      local is_marked = getmetatable(value) == array_metatable
      value = reveal(value)
      local length = array_length(value)
      if length and (length > 0 or is_marked) then
        append_array(out, value, length, depth, slots)
      else
        append_object(out, value, depth, slots)
      end
    else
      refuse(value, "type not supported")
    end
  end

  return function(...)
    if select("#", ...) ~= 1 then
      error("bad argument #1 to 'encode' (expected 1 argument)")
    end
    local out = {}
    append(out, (...), 0, 0)
    return concat(out)
  end
end

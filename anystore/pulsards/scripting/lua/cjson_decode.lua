-- Decoding for the library `cjson`; see cjson.lua.
--
-- Positions are 1-based, as the messages of errors count. C's strings end with a zero byte: so does the
-- input, wherever the first one stands outside a string.

local core = ...

local error, select, setmetatable, tonumber = error, select, setmetatable, tonumber
local tostring, type = tostring, type
local floor = math.floor
local byte, char, find, format = string.byte, string.char, string.find, string.format
local lower, match, sub = string.lower, string.match, string.sub
local concat = table.concat
local null = core.null

-- Nesting that does not fit on the original's stack is refused whatever the options say: an array takes a
-- slot of it, an object two.
local SLOTS = 8000

local TOKENS = { ["{"] = "T_OBJ_BEGIN", ["}"] = "T_OBJ_END", ["["] = "T_ARR_BEGIN", ["]"] = "T_ARR_END",
                 [":"] = "T_COLON", [","] = "T_COMMA", [""] = "T_END", ["\0"] = "T_END" }
local UNESCAPES = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", t = "\t", n = "\n", f = "\f",
                    r = "\r" }

local function expect(wanted, found, position)
  error(format("Expected %s but found %s at character %d", wanted, found, position))
end

local function utf8(code)
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xc0 + floor(code / 64), 0x80 + code % 64)
  elseif code < 0x10000 then
    return char(0xe0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
  end
  return char(0xf0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64,
              0x80 + floor(code / 64) % 64, 0x80 + code % 64)
end

-- The character of the escape \uXXXX (two of them for a surrogate pair) at `position`, and its length.
local function unicode_escape(text, position)
  local digits = match(text, "^\\u(%x%x%x%x)", position)
  if not digits then
    return nil
  end
  local code = tonumber(digits, 16)
  if code < 0xd800 or code > 0xdfff then
    return utf8(code), 6
  end
  local low = match(text, "^\\u(%x%x%x%x)", position + 6)
  low = low and tonumber(low, 16)
  if code >= 0xdc00 or not low or low < 0xdc00 or low > 0xdfff then
    return nil
  end
  return utf8((code - 0xd800) * 1024 + low - 0xdc00 + 0x10000), 12
end

-- The rest of a string with escapes, `position` being the first backslash or zero byte in it.
local function long_string(text, start, position, wanted)
  local pieces = { sub(text, start, position - 1) }
  while true do
    local letter = sub(text, position, position)
    if letter == '"' then
      return concat(pieces), position + 1
    elseif letter == "\\" then
      local plain, length = UNESCAPES[sub(text, position + 1, position + 1)], 2
      if not plain then
        if sub(text, position + 1, position + 1) ~= "u" then
          expect(wanted, "invalid escape code", position)
        end
        plain, length = unicode_escape(text, position)
        if not plain then
          expect(wanted, "invalid unicode escape code", position)
        end
      end
      pieces[#pieces + 1] = plain
      position = position + length
    else
      expect(wanted, "unexpected end of string", position)
    end
    local stop = find(text, '["\\%z]', position) or #text + 1
    pieces[#pieces + 1] = sub(text, position, stop - 1)
    position = stop
  end
end

-- The string whose opening quote is at `position`, and what follows it.
local function string_at(text, position, wanted)
  local stop = find(text, '["\\%z]', position + 1) or #text + 1
  if byte(text, stop) == 34 then
    return sub(text, position + 1, stop - 1), stop + 1
  end
  return long_string(text, position + 1, stop, wanted)
end

-- What C's strtod reads at `position`: the number and where it ends; nil if there is none. Lua's tonumber is
-- strtod as well, once it is known where the number ends.
local function read_number(text, position)
  local _, stop = find(text, "^[-+]?0[xX]%x+%.?%x*", position)
  if not stop then
    _, stop = find(text, "^[-+]?0[xX]%.%x+", position)
  end
  local exponent = "^[pP][-+]?%d+"
  if not stop then
    exponent = "^[eE][-+]?%d+"
    _, stop = find(text, "^[-+]?%d+%.?%d*", position)
    if not stop then
      _, stop = find(text, "^[-+]?%.%d+", position)
    end
  end
  if stop then
    local _, end_of_exponent = find(text, exponent, stop + 1)
    stop = end_of_exponent or stop
  else
    local _, after_sign = find(text, "^[-+]?", position)
    local word = lower(sub(text, after_sign + 1, after_sign + 8))
    local length = word == "infinity" and 8 or (sub(word, 1, 3) == "inf" or sub(word, 1, 3) == "nan") and 3
    if not length then
      return nil
    end
    stop = after_sign + length
    if sub(word, 1, 3) == "nan" then
      local _, close = find(text, "^%([%w_]*%)", stop + 1)
      stop = close or stop
    end
  end
  return tonumber(sub(text, position, stop)), stop + 1
end

-- Numbers that strtod reads and JSON does not know.
local function is_invalid_number(text, position)
  if sub(text, position, position) == "+" then
    return true
  end
  return find(text, "^%-?0[xX%d]", position) ~= nil
    or find(text, "^%-?[iI][nN][fF]", position) ~= nil
    or find(text, "^%-?[nN][aA][nN]", position) ~= nil
end

local WORDS = { t = { "^true", true, "T_BOOLEAN" }, f = { "^false", false, "T_BOOLEAN" },
                n = { "^null", null, "T_NULL" } }

local function skip_space(text, position)
  return (find(text, "[^ \t\n\r]", position)) or #text + 1
end

-- A function that decodes as `options` say; arrays get `array_metatable` where these ask for it.
return function(options, array_metatable)
  local function number_at(text, position, wanted)
    -- The usual case first: a plain number, and nothing after it that could belong to it.
    local start, stop = find(text, "^%-?%d+", position)
    if start and not find(text, "^[.eExX%d]", stop + 1) and byte(text, position) ~= 48 then
      return tonumber(sub(text, start, stop)), stop + 1
    end
    if not options.decode_invalid and is_invalid_number(text, position) then
      expect(wanted, "invalid number", position)
    end
    local number, after = read_number(text, position)
    if not number then
      expect(wanted, "invalid number", position)
    end
    return number, after
  end

  -- The token at `position`, which is not what the parser wanted; for the message.
  local function describe_token(text, position, wanted)
    local letter = sub(text, position, position)
    if TOKENS[letter] then
      return TOKENS[letter]
    elseif letter == '"' then
      string_at(text, position, wanted)
      return "T_STRING"
    elseif find(letter, "[-%d]") then
      number_at(text, position, wanted)
      return "T_NUMBER"
    elseif WORDS[letter] and find(text, WORDS[letter][1], position) then
      return WORDS[letter][3]
    elseif options.decode_invalid and find(letter, "[+iInN]") and is_invalid_number(text, position) then
      number_at(text, position, wanted)
      return "T_NUMBER"
    end
    return "invalid token"
  end

  local function unexpected(text, position, wanted)
    expect(wanted, describe_token(text, position, wanted), position)
  end

  local value_at  -- (text, position of its first character, depth, slots) -> value, position after it

  local function descend(depth, slots, position)
    depth = depth + 1
    if depth > options.decode_max_depth or slots > SLOTS then
      error(format("Found too many nested data structures (%d) at character %d", depth, position))
    end
    return depth
  end

  -- Each pattern takes what usually comes next in one go; what it does not match goes the longer way.
  local KEY = '^"([^"\\%z]*)"[ \t\n\r]*:[ \t\n\r]*'
  local STRING = '^"([^"\\%z]*)"'
  local NUMBER = "^(%-?%d+%.?%d*)[,%]} \t\n\r]"

  local function key_at(text, position)
    if byte(text, position) ~= 34 then
      unexpected(text, position, "object key string")
    end
    local key
    key, position = string_at(text, position, "object key string")
    position = skip_space(text, position)
    if byte(text, position) ~= 58 then
      unexpected(text, position, "colon")
    end
    return key, skip_space(text, position + 1)
  end

  local function object_at(text, position, depth, slots)
    depth = descend(depth, slots + 4, position)
    local values = {}
    position = skip_space(text, position + 1)
    if byte(text, position) == 125 then
      return values, position + 1
    end
    while true do
      local _, stop, key = find(text, KEY, position)
      if stop then
        position = stop + 1
      else
        key, position = key_at(text, position)
      end
      values[key], position = value_at(text, position, depth, slots + 2)
      local mark
      _, stop, mark = find(text, "^[ \t\n\r]*([,}])[ \t\n\r]*", position)
      if mark == "," then
        position = stop + 1
      elseif mark then
        return values, (find(text, "}", position, true)) + 1
      else
        unexpected(text, skip_space(text, position), "comma or object end")
      end
    end
  end

  local function array_at(text, position, depth, slots)
    depth = descend(depth, slots + 3, position)
    local values = options.mark_arrays and setmetatable({}, array_metatable) or {}
    position = skip_space(text, position + 1)
    if byte(text, position) == 93 then
      return values, position + 1
    end
    local count = 0
    while true do
      count = count + 1
      values[count], position = value_at(text, position, depth, slots + 1)
      local _, stop, mark = find(text, "^[ \t\n\r]*([,%]])[ \t\n\r]*", position)
      if mark == "," then
        position = stop + 1
      elseif mark then
        return values, (find(text, "]", position, true)) + 1
      else
        unexpected(text, skip_space(text, position), "comma or array end")
      end
    end
  end

  function value_at(text, position, depth, slots)
    local letter = byte(text, position)
    if letter == 34 then
      local _, stop, value = find(text, STRING, position)
      if stop then
        return value, stop + 1
      end
      return string_at(text, position, "value")
    elseif letter == 123 then
      return object_at(text, position, depth, slots)
    elseif letter == 91 then
      return array_at(text, position, depth, slots)
    elseif letter ~= 48 and (letter ~= 45 or byte(text, position + 1) ~= 48) then
      local _, stop, digits = find(text, NUMBER, position)
      if stop then
        return tonumber(digits), stop
      end
    end
    letter = sub(text, position, position)
    local word = WORDS[letter]
    if word and find(text, word[1], position) then
      return word[2], position + (letter == "f" and 5 or 4)
    elseif
      find(letter, "^[-%d]")
      or (options.decode_invalid and find(letter, "^[+iInN]") and is_invalid_number(text, position))
    then
      return number_at(text, position, "value")
    end
    unexpected(text, position, "value")
  end

  return function(...)
    local text = ...
    if select("#", ...) ~= 1 then
      error("bad argument #1 to 'decode' (expected 1 argument)")
    elseif type(text) == "number" then
      text = tostring(text)
    elseif type(text) ~= "string" then
      error("bad argument #1 to 'decode' (string expected, got " .. type(text) .. ")")
    end
    if #text >= 2 and (byte(text, 1) == 0 or byte(text, 2) == 0) then
      error("JSON parser does not support UTF-16 or UTF-32")
    end
    local value, position = value_at(text, skip_space(text, 1), 0, 0)
    position = skip_space(text, position)
    local letter = byte(text, position)
    if letter and letter ~= 0 then
      unexpected(text, position, "the end")
    end
    return value
  end
end

-- The library `cmsgpack`: MessagePack, as lua-cmsgpack 0.4 writes and reads it.

local core, binary = ...

local error, next, select, tonumber, type, unpack = error, next, select, tonumber, type, unpack
local floor, huge = math.floor, math.huge
local byte, char, format, sub = string.byte, string.char, string.format, string.sub
local concat = table.concat
local reveal = core.reveal
local pack_double, pack_float, pack_int64 = binary.pack_double, binary.pack_float, binary.pack_int64
local unpack_double, unpack_float, join_int64 = binary.unpack_double, binary.unpack_float, binary.join_int64

local DEEPEST = 16          -- tables nested deeper are packed as nil, cycles with them
local DEEPEST_INPUT = 3990  -- what the VM's stack allows the original
local MOST_RESULTS = 7990   -- what fits on the VM's stack

---- Packing

local function uint16(number)
  return char(floor(number / 256), number % 256)
end

local function uint32(number)
  return char(floor(number / 16777216), floor(number / 65536) % 256, floor(number / 256) % 256, number % 256)
end

local function pack_integer(number)
  if number >= 0 then
    if number <= 127 then
      return char(number)
    elseif number <= 255 then
      return char(0xcc, number)
    elseif number <= 65535 then
      return "\205" .. uint16(number)
    elseif number <= 4294967295 then
      return "\206" .. uint32(number)
    end
    return "\207" .. pack_int64(number)
  elseif number >= -32 then
    return char(256 + number)
  elseif number >= -128 then
    return char(0xd0, 256 + number)
  elseif number >= -32768 then
    return "\209" .. uint16(65536 + number)
  elseif number >= -2147483648 then
    return "\210" .. uint32(4294967296 + number)
  end
  return "\211" .. pack_int64(number)
end

local function pack_number(number)
  if number % 1 == 0 and number >= -9223372036854775808 and number < 9223372036854775808 then
    return pack_integer(number)
  end
  local single = pack_float(number)
  if number == number and unpack_float(single, 1) == number then
    return "\202" .. single
  end
  return "\203" .. pack_double(number)
end

local function pack_string(text)
  local length = #text
  if length < 32 then
    return char(0xa0 + length) .. text
  elseif length <= 255 then
    return char(0xd9, length) .. text
  elseif length <= 65535 then
    return "\218" .. uint16(length) .. text
  end
  return "\219" .. uint32(length % 4294967296) .. text
end

-- The head of a container: one byte with a small count in it, or a type and a count.
local function head(small, medium, large, count)
  if count <= 15 then
    return char(small + count)
  elseif count <= 65535 then
    return medium .. uint16(count)
  end
  return large .. uint32(count)
end

-- The number of elements if the keys are 1 to that, else nil and how many keys there are.
local function array_length(values)
  local count, highest, pure = 0, 0, true
  for key in next, values do
    count = count + 1
    if type(key) ~= "number" or key <= 0 or key > 2147483647 or key % 1 ~= 0 then
      pure = false
    elseif key > highest then
      highest = key
    end
  end
  if pure and highest == count then
    return count
  end
  return nil, count
end

local pack_into

local function pack_table(out, values, level)
  values = reveal(values)
  local length, count = array_length(values)
  if length then
    out[#out + 1] = head(0x90, "\220", "\221", length)
    for index = 1, length do
      pack_into(out, values[index], level + 1)
    end
    return
  end
  out[#out + 1] = head(0x80, "\222", "\223", count)
  for key, value in next, values do
    pack_into(out, key, level + 1)
    pack_into(out, value, level + 1)
  end
end

function pack_into(out, value, level)
  local kind = type(value)
  if kind == "string" then
    out[#out + 1] = pack_string(value)
  elseif kind == "number" then
    out[#out + 1] = pack_number(value)
  elseif kind == "boolean" then
    out[#out + 1] = value and "\195" or "\194"
  elseif kind == "table" and level < DEEPEST then
    pack_table(out, value, level)
  else
    out[#out + 1] = "\192"
  end
end

---- Unpacking

local MISSING, BAD = "Missing bytes in input.", "Bad data format in input."
local TOO_MANY = "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)"

local unpack_value  -- (text, position, depth) -> value, next position

local function unpack_array(text, position, count, depth)
  if depth > DEEPEST_INPUT then
    error("stack overflow (in function mp_decode_to_lua_array)")
  end
  local values = {}
  for index = 1, count do
    values[index], position = unpack_value(text, position, depth + 1)
  end
  return values, position
end

local function unpack_map(text, position, count, depth)
  if depth > DEEPEST_INPUT then
    error(TOO_MANY)
  end
  local values, key, value = {}, nil, nil
  for _ = 1, count do
    key, position = unpack_value(text, position, depth + 1)
    value, position = unpack_value(text, position, depth + 1)
    if key == nil then
      error("table index is nil", 0)
    elseif key ~= key then
      error("table index is NaN", 0)
    end
    values[key] = value
  end
  return values, position
end

local function unsigned_at(text, position, size)
  local a, b, c, d = byte(text, position, position + size - 1)
  if size == 1 then
    return a
  elseif size == 2 then
    return a * 256 + b
  end
  return ((a * 256 + b) * 256 + c) * 256 + d
end

-- By first byte: the size of what follows it, and what to make of that.
local sized = {
  [0xcc] = { 1, unsigned_at }, [0xcd] = { 2, unsigned_at }, [0xce] = { 4, unsigned_at },
  [0xcf] = { 8, function(text, position) return join_int64(true, byte(text, position, position + 7)) end },
  [0xd0] = { 1, function(text, position)
    local number = byte(text, position)
    return number < 128 and number or number - 256
  end },
  [0xd1] = { 2, function(text, position)
    local number = unsigned_at(text, position, 2)
    return number < 32768 and number or number - 65536
  end },
  [0xd2] = { 4, function(text, position)
    local number = unsigned_at(text, position, 4)
    return number < 2147483648 and number or number - 4294967296
  end },
  [0xca] = { 4, unpack_float },
  [0xcb] = { 8, unpack_double },
}
sized[0xd3] = sized[0xcf]

-- By first byte: the size of the count that follows it, and of what that counts.
local counted = {
  [0xd9] = { 1, "string" }, [0xda] = { 2, "string" }, [0xdb] = { 4, "string" },
  [0xdc] = { 2, unpack_array }, [0xdd] = { 4, unpack_array },
  [0xde] = { 2, unpack_map }, [0xdf] = { 4, unpack_map },
}

local function unpack_string(text, position, length)
  if position + length - 1 > #text then
    error(MISSING)
  end
  return sub(text, position, position + length - 1), position + length
end

function unpack_value(text, position, depth)
  local first = byte(text, position)
  if not first then
    error(MISSING)
  elseif first < 0x80 then
    return first, position + 1
  elseif first >= 0xe0 then
    return first - 256, position + 1
  elseif first >= 0xa0 and first < 0xc0 then
    return unpack_string(text, position + 1, first - 0xa0)
  elseif first < 0x90 then
    return unpack_map(text, position + 1, first - 0x80, depth)
  elseif first < 0xa0 then
    return unpack_array(text, position + 1, first - 0x90, depth)
  elseif first == 0xc0 then
    return nil, position + 1
  elseif first == 0xc2 or first == 0xc3 then
    return first == 0xc3, position + 1
  end
  local rule = sized[first]
  if rule then
    local size = rule[1]
    if position + size > #text then
      error(MISSING)
    end
    return rule[2](text, position + 1, size), position + 1 + size
  end
  rule = counted[first]
  if not rule then
    error(BAD)
  end
  local size, make = rule[1], rule[2]
  if position + size > #text then
    error(MISSING)
  end
  local count = unsigned_at(text, position + 1, size)
  position = position + 1 + size
  if make == "string" then
    return unpack_string(text, position, count)
  end
  return make(text, position, count, depth)
end

local function check_text(name, ...)
  local value = ...
  if type(value) == "string" then
    return value
  elseif type(value) == "number" then
    return format("%.14g", value)
  end
  error(format("bad argument #1 to '%s' (string expected, got %s)", name,
               select("#", ...) == 0 and "no value" or type(value)))
end

local function integer_from(position, name, default, ...)
  local value = (select(position, ...))
  if value == nil and default then
    return default
  end
  local number = type(value) == "number" and value or type(value) == "string" and tonumber(value)
  if not number then
    error(format("bad argument #%d to '%s' (number expected, got %s)", position, name,
                 position > select("#", ...) and "no value" or type(value)))
  end
  return number < 0 and -floor(-number) or floor(number)
end

-- Values from `offset` on, `limit` at most; both 0 for all, and then without the next offset before them.
local function unpack_values(text, limit, offset)
  local all = limit == 0 and offset == 0
  if offset < 0 or limit < 0 then
    error(format("Invalid request to unpack with offset of %d and limit of %d.", offset, #text))
  elseif offset > #text then
    error(format("Start offset %d greater than input length %d.", offset, #text))
  end
  if all then
    limit = huge
  end
  local values, count, position = {}, 0, offset + 1
  while position <= #text and count < limit do
    if count >= MOST_RESULTS then
      error(TOO_MANY)
    end
    count = count + 1
    values[count], position = unpack_value(text, position, 0)
  end
  if all then
    return unpack(values, 1, count)
  end
  return position > #text and -1 or position - 1, unpack(values, 1, count)
end

local cmsgpack = {
  _NAME = "cmsgpack",
  _VERSION = "lua-cmsgpack 0.4.0",
  _COPYRIGHT = "Copyright (C) 2012, Redis Ltd.",
  _DESCRIPTION = "MessagePack C implementation for Lua",
}

function cmsgpack.pack(...)
  local count = select("#", ...)
  if count == 0 then
    error("bad argument #0 to 'pack' (MessagePack pack needs input.)")
  end
  local out = {}
  for position = 1, count do
    pack_into(out, (select(position, ...)), 0)
  end
  return concat(out)
end

-- Results are passed on through `select`: a call in tail position would hide whom to blame for an error.
function cmsgpack.unpack(...)
  return select(1, unpack_values(check_text("unpack", ...), 0, 0))
end

function cmsgpack.unpack_one(...)
  local offset = integer_from(2, "unpack_one", 0, ...)
  return select(1, unpack_values(check_text("unpack_one", ...), 1, offset))
end

function cmsgpack.unpack_limit(...)
  local limit = integer_from(2, "unpack_limit", nil, ...)
  local offset = integer_from(3, "unpack_limit", 0, ...)
  return select(1, unpack_values(check_text("unpack_limit", ...), limit, offset))
end

return cmsgpack

-- The library `struct`: C structures as strings, as Roberto Ierusalimschy's library of that name packs them.
-- Sizes are those of a 64-bit server: int 4, long and size_t 8, largest alignment 8.

local binary = ...

local error, select, tonumber, tostring, type, unpack = error, select, tonumber, tostring, type, unpack
local floor = math.floor
local byte, char, find, format, match = string.byte, string.char, string.find, string.format, string.match
local rep, reverse, sub = string.rep, string.reverse, string.sub
local concat = table.concat
local pack_double, pack_float, pack_int64 = binary.pack_double, binary.pack_float, binary.pack_int64
local unpack_double, unpack_float, join_int64 = binary.unpack_double, binary.unpack_float, binary.join_int64

local DEFAULT_INT, LARGEST_INT, DEFAULT_ALIGNMENT = 4, 32, 8
local INT_MAX = 2147483647
local MOST_RESULTS = 7990  -- what fits on the VM's stack

local SIZES = { b = 1, B = 1, h = 2, H = 2, l = 8, L = 8, T = 8, f = 4, d = 8, x = 1 }
local IS_INTEGER = { b = 1, B = 1, h = 1, H = 1, l = 1, L = 1, T = 1, i = 1, I = 1 }
local IS_SIGNED = { b = 1, h = 1, l = 1, i = 1 }

local function refuse(position, name, reason)
  error(format("bad argument #%d to '%s' (%s)", position, name, reason))
end

local function check_text(position, name, ...)
  local value = (select(position, ...))
  if type(value) == "string" then
    return value
  elseif type(value) == "number" then
    return tostring(value)
  end
  refuse(position, name, "string expected, got "
    .. (position > select("#", ...) and "no value" or type(value)))
end

-- The number written at `position` of the format, and where it ends.
local function number_at(fmt, position, default)
  local digits = match(fmt, "^%d+", position)
  if not digits then
    return default, position
  end
  local number = tonumber(digits)
  if number > INT_MAX then
    error("integral size overflow")
  end
  return number, position + #digits
end

-- The size that an option takes, and where the next one is.
local function size_of(option, fmt, position)
  local size = SIZES[option]
  if size then
    return size, position
  elseif option == "c" then
    return number_at(fmt, position, 1)
  elseif option == "i" or option == "I" then
    size, position = number_at(fmt, position, DEFAULT_INT)
    if size > LARGEST_INT then
      error(format("integral size %d is larger than limit of %d", size, LARGEST_INT))
    end
    return size, position
  end
  return 0, position
end

local function both(a, b)
  local result, power = 0, 1
  while a > 0 and b > 0 do
    if a % 2 == 1 and b % 2 == 1 then
      result = result + power
    end
    a, b, power = floor(a / 2), floor(b / 2), power * 2
  end
  return result
end

-- How many bytes of padding an option needs after `length` bytes.
local function padding(length, alignment, option, size)
  if alignment == 1 or size == 0 or option == "c" then
    return 0
  end
  if size > alignment then
    size = alignment
  end
  return both(size - both(length % 4294967296, size - 1), size - 1)
end

-- Options that pack nothing. New byte order, new alignment, and where the next option is.
local function control(option, fmt, position, little, alignment, name)
  if option == "<" then
    return true, alignment, position
  elseif option == ">" then
    return false, alignment, position
  elseif option == "!" then
    alignment, position = number_at(fmt, position, DEFAULT_ALIGNMENT)
    if alignment <= 0 or both(alignment, alignment - 1) ~= 0 then
      error(format("alignment %d is not a power of 2", alignment))
    end
  elseif option ~= " " then
    refuse(1, name, format("invalid format option '%s'", option))
  end
  return little, alignment, position
end

local function cut_at_zero(fmt)
  local zero = find(fmt, "%z")
  return zero and sub(fmt, 1, zero - 1) or fmt
end

-- A number as C's conversion to long, or to unsigned long beyond it, makes it.
local function to_long(number)
  if number ~= number or number <= -9223372036854775808 then
    return -9223372036854775808
  elseif number >= 18446744073709551616 then
    return 0
  end
  return number < 0 and -floor(-number) or floor(number)
end

local function pack_integer(number, size, little)
  local bytes = pack_int64(to_long(number))
  if size <= 8 then
    bytes = sub(bytes, 9 - size)
  else
    bytes = rep("\0", size - 8) .. bytes
  end
  return little and reverse(bytes) or bytes
end

local struct = {}

function struct.pack(...)
  local fmt = cut_at_zero(check_text(1, "pack", ...))
  local arguments = { ... }
  local pieces, total, argument = {}, 0, 2
  local little, alignment, position = true, 1, 1

  local function take_number()
    local value = arguments[argument]
    local number = type(value) == "number" and value or type(value) == "string" and tonumber(value)
    if not number then
      refuse(argument, "pack", "number expected, got " .. type(value))
    end
    argument = argument + 1
    return number
  end

  while position <= #fmt do
    local option, size, zeros = sub(fmt, position, position), nil, nil
    size, position = size_of(option, fmt, position + 1)
    zeros = padding(total, alignment, option, size)
    if zeros > 0 then
      pieces[#pieces + 1] = rep("\0", zeros)
      total = total + zeros
    end
    local piece = ""
    if IS_INTEGER[option] then
      piece = pack_integer(take_number(), size, little)
    elseif option == "x" then
      piece = "\0"
    elseif option == "d" or option == "f" then
      piece = (option == "d" and pack_double or pack_float)(take_number())
      piece = little and reverse(piece) or piece
    elseif option == "c" or option == "s" then
      local value = arguments[argument]
      if type(value) ~= "string" and type(value) ~= "number" then
        refuse(argument, "pack", "string expected, got " .. type(value))
      end
      argument = argument + 1
      piece = tostring(value)
      if size > #piece then
        refuse(argument, "pack", "string too short")
      end
      if size > 0 then
        piece = sub(piece, 1, size)
      end
      if option == "s" then
        piece = piece .. "\0"
      end
    else
      little, alignment, position = control(option, fmt, position, little, alignment, "pack")
    end
    pieces[#pieces + 1] = piece
    total = total + #piece
  end
  return concat(pieces)
end

local function unpack_integer(data, position, size, little, signed)
  local text = sub(data, position, position + size - 1)
  if little then
    text = reverse(text)
  end
  if size > 8 then
    text = sub(text, size - 7)
  elseif size < 8 then
    local fill = signed and size > 0 and byte(text, 1) >= 128 and "\255" or "\0"
    text = rep(fill, 8 - size) .. text
  end
  return join_int64(signed, byte(text, 1, 8))
end

-- The offset given to struct.unpack, from 0. Negative ones are too large in C, where they wrap.
local function offset_from(count, ...)
  local value = (select(3, ...))
  if count < 3 or value == nil then
    return 0
  end
  local number = type(value) == "number" and value or type(value) == "string" and tonumber(value)
  if not number then
    refuse(3, "unpack", "number expected, got " .. type(value))
  end
  number = number < 0 and -floor(-number) or floor(number)
  if number == 0 then
    refuse(3, "unpack", "offset must be 1 or greater")
  end
  return number - 1
end

function struct.unpack(...)
  local count = select("#", ...)
  local fmt = cut_at_zero(check_text(1, "unpack", ...))
  local data = count < 2 and check_text(2, "unpack", (...)) or check_text(2, "unpack", ...)
  local offset = offset_from(count, ...)
  local results, number_of_results = {}, 0
  local little, alignment, position = true, 1, 1

  while position <= #fmt do
    local option, size = sub(fmt, position, position), nil
    size, position = size_of(option, fmt, position + 1)
    offset = offset + padding(offset, alignment, option, size)
    if offset < 0 or offset + size > #data then
      refuse(2, "unpack", "data string too short")
    end
    if number_of_results >= MOST_RESULTS then
      error("stack overflow (too many results)")
    end
    local value
    if IS_INTEGER[option] then
      value = unpack_integer(data, offset + 1, size, little, IS_SIGNED[option] ~= nil)
    elseif option == "d" or option == "f" then
      local text = sub(data, offset + 1, offset + size)
      value = (option == "d" and unpack_double or unpack_float)(little and reverse(text) or text, 1)
    elseif option == "c" then
      if size == 0 then
        size = number_of_results > 0 and tonumber(results[number_of_results])
        if not size then
          error("format 'c0' needs a previous size")
        end
        number_of_results = number_of_results - 1
        size = floor(size)
        if size < 0 or offset + size > #data then
          refuse(2, "unpack", "data string too short")
        end
      end
      value = sub(data, offset + 1, offset + size)
    elseif option == "s" then
      local zero = find(data, "%z", offset + 1)
      if not zero then
        error("unfinished string in data")
      end
      value = sub(data, offset + 1, zero - 1)
      size = zero - offset
    elseif option ~= "x" then
      little, alignment, position = control(option, fmt, position, little, alignment, "unpack")
    end
    if value ~= nil then
      number_of_results = number_of_results + 1
      results[number_of_results] = value
    end
    offset = offset + size
  end
  results[number_of_results + 1] = offset + 1
  return unpack(results, 1, number_of_results + 1)
end

function struct.size(...)
  local fmt = cut_at_zero(check_text(1, "size", ...))
  local total, alignment, position, little = 0, 1, 1, true
  while position <= #fmt do
    local option, size = sub(fmt, position, position), nil
    size, position = size_of(option, fmt, position + 1)
    total = total + padding(total, alignment, option, size)
    if option == "s" then
      refuse(1, "size", "option 's' has no fixed size")
    elseif option == "c" and size == 0 then
      refuse(1, "size", "option 'c0' has no fixed size")
    end
    if not find(option, "%w") then
      little, alignment, position = control(option, fmt, position, little, alignment, "size")
    end
    total = total + size
  end
  return total
end

return struct

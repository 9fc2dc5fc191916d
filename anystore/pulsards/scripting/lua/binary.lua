-- Numbers as bytes and back, for `struct` and `cmsgpack`: IEEE 754 and two's complement, big-endian.

local floor, frexp, huge, ldexp = math.floor, math.frexp, math.huge, math.ldexp
local byte, char, find = string.byte, string.char, string.find
local tostring = tostring

local ROUND = 4503599627370496  -- 2^52: adding it to less than 2^51 rounds to a whole number, half to even

local binary = {}

-- Sign bit and magnitude; the sign of a zero shows in its reciprocal, that of NaN only in print.
local function split(number)
  if number ~= number then
    return find(tostring(number), "-", 1, true) and 1 or 0, number
  end
  if number < 0 or (number == 0 and 1 / number < 0) then
    return 1, -number
  end
  return 0, number
end

-- Biased exponent and mantissa of a magnitude, for a format with `bits` bits of mantissa.
local function parts(magnitude, bits, bias)
  if magnitude ~= magnitude then
    return 2 * bias + 1, 2 ^ (bits - 1)
  elseif magnitude == huge then
    return 2 * bias + 1, 0
  elseif magnitude == 0 then
    return 0, 0
  end
  local fraction, exponent = frexp(magnitude)
  exponent = exponent + bias - 1
  local mantissa
  if exponent <= 0 then
    mantissa = ldexp(fraction, bits + exponent)
    exponent = 0
  else
    mantissa = (fraction * 2 - 1) * 2 ^ bits
  end
  if bits == 23 then
    mantissa = mantissa + ROUND - ROUND
    if mantissa == 8388608 then
      mantissa, exponent = 0, exponent + 1
    end
    if exponent >= 255 then
      return 255, 0
    end
  end
  return exponent, mantissa
end

function binary.pack_double(number)
  local sign, magnitude = split(number)
  local exponent, mantissa = parts(magnitude, 52, 1023)
  local high = floor(mantissa / 4294967296)  -- 20 bits
  local low = mantissa % 4294967296
  return char(
    sign * 128 + floor(exponent / 16), exponent % 16 * 16 + floor(high / 65536),
    floor(high / 256) % 256, high % 256,
    floor(low / 16777216), floor(low / 65536) % 256, floor(low / 256) % 256, low % 256)
end

function binary.pack_float(number)
  local sign, magnitude = split(number)
  local exponent, mantissa = parts(magnitude, 23, 127)
  return char(sign * 128 + floor(exponent / 2), exponent % 2 * 128 + floor(mantissa / 65536),
              floor(mantissa / 256) % 256, mantissa % 256)
end

local function compose(sign, exponent, mantissa, bits, bias)
  local value
  if exponent == 2 * bias + 1 then
    if mantissa ~= 0 then
      -- 0/0 is negative on some processors: take what is known to be positive, and turn it if need be.
      local nan = huge - huge
      local negative = find(tostring(nan), "-", 1, true) ~= nil
      return negative == (sign == 1) and nan or -nan
    end
    value = huge
  elseif exponent == 0 then
    value = ldexp(mantissa, 1 - bias - bits)
  else
    value = ldexp(1 + mantissa / 2 ^ bits, exponent - bias)
  end
  return sign == 1 and -value or value
end

-- The double in the eight bytes of `text` at `position`.
function binary.unpack_double(text, position)
  local a, b, c, d, e, f, g, h = byte(text, position, position + 7)
  local mantissa = ((b % 16 * 256 + c) * 256 + d) * 4294967296 + ((e * 256 + f) * 256 + g) * 256 + h
  return compose(a >= 128 and 1 or 0, a % 128 * 16 + floor(b / 16), mantissa, 52, 1023)
end

function binary.unpack_float(text, position)
  local a, b, c, d = byte(text, position, position + 3)
  return compose(a >= 128 and 1 or 0, a % 128 * 2 + floor(b / 128), (b % 128 * 256 + c) * 256 + d, 23, 127)
end

-- Eight bytes of a whole number from -2^63 to 2^64 - 1. The halves of a negative one are negated as halves:
-- the number less one need not fit a double.
function binary.pack_int64(number)
  local magnitude = number < 0 and -number or number
  local low = magnitude % 4294967296
  local high = (magnitude - low) / 4294967296
  if number < 0 then
    high = (4294967296 - high - (low > 0 and 1 or 0)) % 4294967296
    low = (4294967296 - low) % 4294967296
  end
  return char(
    floor(high / 16777216), floor(high / 65536) % 256, floor(high / 256) % 256, high % 256,
    floor(low / 16777216), floor(low / 65536) % 256, floor(low / 256) % 256, low % 256)
end

-- The nearest double to the 64-bit integer in these eight bytes, the most significant first.
function binary.join_int64(signed, a, b, c, d, e, f, g, h)
  local high = ((a * 256 + b) * 256 + c) * 256 + d
  local low = ((e * 256 + f) * 256 + g) * 256 + h
  if signed and high >= 2147483648 then
    return -((4294967295 - high) * 4294967296 + (4294967295 - low + 1))
  end
  return high * 4294967296 + low
end

return binary

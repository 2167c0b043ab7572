/** Conversions between types: `int(x)`, `string(x)`, ... Source: cel-spec; texts are Go's. */
import { goInt64, goUint64 } from "@raft2kube/std/go-values.ts";
import { error, INT_OVERFLOW, UINT_OVERFLOW } from "./failures.ts";
import { INT_MAX, INT_MIN, int, timestamp, typeOfValue, UINT_MAX } from "./operations.ts";
import { formatDuration, formatTimestamp, parseDuration, parseTimestamp } from "./time.ts";
import { Duration, type Outcome, Timestamp, Uint, type Value } from "./value.ts";

function unconvertible(value: Value, to: string): Outcome {
  return error(`type conversion error from '${typeOfValue(value).name}' to '${to}'`);
}

const TRUTHS: Readonly<Record<string, boolean>> = {
  "1": true,
  t: true,
  T: true,
  TRUE: true,
  true: true,
  True: true,
  "0": false,
  f: false,
  F: false,
  FALSE: false,
  false: false,
  False: false,
};

export function toBool(text: string): Outcome {
  return Object.hasOwn(TRUTHS, text) ? TRUTHS[text]! : unconvertible(text, "bool");
}

export function toInt(value: string | number | Uint | Timestamp | Duration): Outcome {
  if (value instanceof Uint) return int(value.value);
  if (value instanceof Duration) return value.nanos;
  if (value instanceof Timestamp) {
    const seconds = value.nanos / 1_000_000_000n;
    return value.nanos % 1_000_000_000n < 0n ? seconds - 1n : seconds;
  }
  if (typeof value === "number") {
    const inside = value > Number(INT_MIN) && value < Number(INT_MAX);
    return inside ? BigInt(Math.trunc(value)) : INT_OVERFLOW;
  }
  return goInt64(value) ?? unconvertible(value, "int");
}

export function toUint(value: string | number | bigint): Outcome {
  if (typeof value === "bigint") return value < 0n ? UINT_OVERFLOW : new Uint(value);
  if (typeof value === "number") {
    const inside = value >= 0 && value < Number(UINT_MAX);
    return inside ? new Uint(BigInt(Math.trunc(value))) : UINT_OVERFLOW;
  }
  const parsed = goUint64(value);
  return parsed === undefined ? unconvertible(value, "uint") : new Uint(parsed);
}

const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const SPECIAL = /^([+-]?)(inf|infinity|nan)$/i;

export function toDouble(text: string): Outcome {
  const special = SPECIAL.exec(text);
  if (special !== null) {
    if (special[2]!.toLowerCase() === "nan") return NaN;
    return special[1] === "-" ? -Infinity : Infinity;
  }
  const value = Number(text);
  return DECIMAL.test(text) && Number.isFinite(value) ? value : unconvertible(text, "double");
}

export function toTimestamp(value: string | bigint): Outcome {
  if (typeof value === "bigint") return timestamp(value * 1_000_000_000n);
  return parseTimestamp(value) ?? unconvertible(value, "google.protobuf.Timestamp");
}

export function toDuration(value: string | bigint): Outcome {
  const parsed = typeof value === "string" ? parseDuration(value) : undefined;
  return parsed ?? unconvertible(value, "google.protobuf.Duration");
}

export function toText(value: Value): Outcome {
  switch (typeof value) {
    case "string":
      return value;
    case "boolean":
    case "bigint":
      return String(value);
    case "number":
      return formatDouble(value);
    default:
      if (value instanceof Uint) return String(value.value);
      if (value instanceof Timestamp) return formatTimestamp(value);
      if (value instanceof Duration) return formatDuration(value.nanos);
      return value instanceof Uint8Array ? decode(value) : unconvertible(value, "string");
  }
}

function decode(bytes: Uint8Array): Outcome {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = buffer.toString("utf8");
  // Only invalid input becomes replacement characters of other octets.
  return Buffer.compare(Buffer.from(text), buffer) === 0
    ? text
    : error("invalid UTF-8 in bytes, cannot convert to string");
}

/** A double as Go's `%g` has it. */
export function formatDouble(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa, exponent] = value.toExponential().split("e") as [string, string];
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(value);
  return `${mantissa}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

/** The formats of texts that schemas may demand, as upstream's strfmt checks them. */
import { isIP } from "node:net";
import { isCidr } from "@raft2kube/api/cidr.ts";
import { parseDuration } from "@raft2kube/api/duration.ts";
import { dnsLabel, dnsSubdomain } from "@raft2kube/api/validation/names.ts";

type Check = (text: string) => boolean;

const matching =
  (pattern: RegExp): Check =>
  (text) =>
    pattern.test(text);

const HEX = "[0-9a-f]";
const uuid = (third: string, fourth: string): Check =>
  matching(new RegExp(`^${HEX}{8}-?${HEX}{4}-?${third}-?${fourth}-?${HEX}{12}$`, "i"));
const ANY_GROUP = `${HEX}{4}`;
const VARIANT = `[89ab]${HEX}{3}`;
const BYTE = "(0|[1-9]\\d?|1\\d\\d?|2[0-4]\\d|25[0-5])";
const HOST_CHARACTER = "a-zA-Z0-9\\p{S}\\p{L}";
const HOSTNAME = new RegExp(
  `^([${HOST_CHARACTER}]((-?[${HOST_CHARACTER}]{0,62})?)|` +
    `([${HOST_CHARACTER}](([-${HOST_CHARACTER}]{0,61}[${HOST_CHARACTER}])?)(\\.)){1,}` +
    "([a-zA-Z\\p{L}]){2,63})$",
  "u",
);
const HOSTNAME_BYTES_MAX = 255;
const LABEL_BYTES_MAX = 63;
const CARD = new RegExp(
  "^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|" +
    "6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|" +
    "(?:2131|1800|35\\d{3})\\d{11})$",
);

function isHostname(text: string): boolean {
  if (Buffer.byteLength(text) > HOSTNAME_BYTES_MAX) return false;
  return (
    text.split(".").every((label) => Buffer.byteLength(label) <= LABEL_BYTES_MAX) &&
    HOSTNAME.test(text)
  );
}

/** RFC 5322 as Go's mail.ParseAddress reads it: an address, or a name and one in brackets. */
const ATOM_CHARACTER = '[^\\s()<>\\[\\]:;@\\\\,."\\u0000-\\u001f]';
const ATOM = `${ATOM_CHARACTER}+`;
const QUOTED = '"(?:[^"\\\\\\r\\n]|\\\\.)*"';
const DOTTED = `${ATOM}(?:\\.${ATOM})*`;
const ADDRESS = `(?:${DOTTED}|${QUOTED})@(?:${DOTTED}|\\[[^\\[\\]\\\\]*\\])`;
// One character a turn, and no two alternatives that start alike: nothing is tried twice.
const PHRASE = `(?:${ATOM_CHARACTER}|${QUOTED}|[.\\s])*`;
const EMAIL = new RegExp(`^(?:\\s*${ADDRESS}|${PHRASE}<${ADDRESS}>)\\s*$`, "u");
const EMAIL_LENGTH_MAX = 1_000;

const AUTHORITY = /^(?:[^@\s<>"]*@)?(?:\[[0-9a-fA-F:.%\w]+\]|[^\s<>"[\]:\\^`{|}%#]*)(?::\d*)?$/;
const SCHEME = /^[a-zA-Z][a-zA-Z0-9+.-]*:/;

/** Go's url.ParseRequestURI: an absolute URI, or an absolute path. */
function isUri(text: string): boolean {
  if (text === "*") return true;
  // eslint-disable-next-line no-control-regex
  if (text === "" || /[\x00-\x1f\x7f]/.test(text)) return false;
  const scheme = SCHEME.exec(text)?.[0] ?? "";
  const rest = text.slice(scheme.length);
  if (!rest.startsWith("/")) return scheme !== "";
  const [, authority, path = ""] = /^(?:\/\/([^/?]*))?([^?]*)/.exec(rest) ?? [];
  if (/%(?![0-9a-fA-F]{2})/.test(path)) return false;
  if (authority === undefined || (scheme === "" && rest.startsWith("//"))) return true;
  return AUTHORITY.test(authority);
}

function isDate(text: string): boolean {
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text) ?? [];
  if (year === undefined) return false;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  return date.toISOString().slice(0, 10) === text;
}

function isDateTime(text: string): boolean {
  const [date = "", time, ...more] = text.toLowerCase().split("t");
  if (time === undefined || (more.length > 0 && time === "")) return false;
  const [, hour, minute, second] =
    /^(\d{2}):(\d{2}):(\d{2})(?:.\d+)?(?:z|[+-]\d{2}:\d{2})$/.exec(time) ?? [];
  return isDate(date) && hour !== undefined && hour <= "23" && minute! <= "59" && second! <= "59";
}

const SCALA_UNIT = new RegExp(
  "^(ns|nano.*|us|\u00b5s|micro.*|ms|milli.*|s|sec.*|m|min.*|h|hr|hour.*|d|day.*|w|wk|week.*)$",
  "iu",
);

const GO_DURATION_LENGTH_MAX = 1_000;

/** A duration of Go's, or one with a unit in words: `22 ns`, `3 days`. */
function isDuration(text: string): boolean {
  if (text.length <= GO_DURATION_LENGTH_MAX && parseDuration(text) !== undefined) return true;
  const units = text.matchAll(/(?<!\d)\d+\s*([A-Za-z\u00b5]+)/g);
  return [...units].some(([, unit]) => SCALA_UNIT.test(unit!));
}

const ADDRESS_LENGTH_MAX = 64;

/** Go's netutils.ParseIPSloppy: accepts leading zeros. */
const sloppy = (text: string) =>
  text.length > ADDRESS_LENGTH_MAX ? text : text.replace(/(^|[.:])0+(?=\d+(?:[./]|$))/g, "$1");

function isIpv4(text: string): boolean {
  return text.includes(".") && isIP(sloppy(text)) !== 0 && !text.includes("%");
}

const isIpv6 = (text: string): boolean => isIP(text) === 6 && !text.includes("%");

/** An IEEE 802 MAC-48, EUI-48, EUI-64, or a 20-octet InfiniBand address. */
function isMac(text: string): boolean {
  const octets = /[:-]/.test(text.slice(2, 3)) ? text.split(text[2]!) : undefined;
  if (octets !== undefined) {
    const right = octets.every((each) => /^[0-9a-f]{2}$/i.test(each));
    return right && [6, 8, 20].includes(octets.length);
  }
  const groups = text.split(".");
  return [3, 4, 10].includes(groups.length) && groups.every((each) => /^[0-9a-f]{4}$/i.test(each));
}

function isIsbn10(text: string): boolean {
  const digits = text.replace(/[\s-]+/g, "");
  if (!/^(?:[0-9]{9}X|[0-9]{10})$/.test(digits)) return false;
  const valueOf = (digit: string) => (digit === "X" ? 10 : Number(digit));
  const sum = [...digits].reduce((total, digit, index) => total + (index + 1) * valueOf(digit), 0);
  return sum % 11 === 0;
}

function isIsbn13(text: string): boolean {
  const digits = text.replace(/[\s-]+/g, "");
  if (!/^[0-9]{13}$/.test(digits)) return false;
  return (
    [...digits].reduce((sum, digit, index) => sum + (index % 2 === 0 ? 1 : 3) * Number(digit), 0) %
      10 ===
    0
  );
}

function isCreditCard(text: string): boolean {
  const digits = text.replace(/[^0-9]+/g, "");
  if (!CARD.test(digits)) return false;
  return (
    [...digits].reverse().reduce((sum, digit, index) => {
      const value = Number(digit) * (index % 2 === 0 ? 1 : 2);
      return sum + (value > 9 ? value - 9 : value);
    }, 0) %
      10 ===
    0
  );
}

const CHECKS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ["bsonobjectid", matching(/^[0-9a-f]{24}$/i)],
  ["uri", isUri],
  ["email", (text) => text.length <= EMAIL_LENGTH_MAX && EMAIL.test(text)],
  ["hostname", isHostname],
  ["ipv4", isIpv4],
  ["ipv6", isIpv6],
  ["cidr", (text) => isCidr(sloppy(text))],
  ["mac", isMac],
  ["uuid", uuid(ANY_GROUP, ANY_GROUP)],
  ["uuid3", uuid(`3${HEX}{3}`, ANY_GROUP)],
  ["uuid4", uuid(`4${HEX}{3}`, VARIANT)],
  ["uuid5", uuid(`5${HEX}{3}`, VARIANT)],
  ["isbn", (text) => isIsbn10(text) || isIsbn13(text)],
  ["isbn10", isIsbn10],
  ["isbn13", isIsbn13],
  ["creditcard", isCreditCard],
  ["ssn", (text) => text.length === 11 && /^\d{3}[- ]?\d{2}[- ]?\d{4}$/.test(text)],
  ["hexcolor", matching(/^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/)],
  ["rgbcolor", matching(new RegExp(`^rgb\\(\\s*${BYTE}\\s*,\\s*${BYTE}\\s*,\\s*${BYTE}\\s*\\)$`))],
  ["byte", (text) => text !== "" && text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text)],
  ["password", () => true],
  ["date", isDate],
  ["duration", isDuration],
  ["datetime", isDateTime],
  ["k8sshortname", (text) => dnsLabel(text).length === 0],
  ["k8slongname", (text) => dnsSubdomain(text).length === 0],
]);

const NUMBER_FORMATS: Readonly<Record<string, readonly string[]>> = {
  integer: ["int32", "int64"],
  number: ["float", "double"],
};

/** Whether a format means anything at a type; others are ignored, with a warning at creation. */
export function isKnownFormat(type: string, format: string): boolean {
  if (type === "" || type === "string") return CHECKS.has(format.replaceAll("-", ""));
  return NUMBER_FORMATS[type]?.includes(format) ?? false;
}

/** Whether a text has a format; a format that is not known has every text. */
export function hasFormat(format: string, text: string): boolean {
  return CHECKS.get(format.replaceAll("-", ""))?.(text) ?? true;
}

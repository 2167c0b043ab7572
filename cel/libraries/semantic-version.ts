/** Semantic versions 2.0.0, with the complaints of blang/semver, which Kubernetes reads them by. */
import { goQuoted } from "@raft2kube/std/go-quote.ts";
import type { Refusal } from "./net-address.ts";

export interface Version {
  readonly numbers: readonly [major: bigint, minor: bigint, patch: bigint];
  readonly prerelease: readonly string[];
}

const NUMBER_MAX = (1n << 64n) - 1n;
const IDENTIFIER = /^[0-9A-Za-z-]+$/;
const ELEMENTS = ["Major", "Minor", "Patch"] as const;

function numberComplaint(text: string, name: string): string | undefined {
  if (!/^\d+$/.test(text)) {
    return `Invalid character(s) found in ${name.toLowerCase()} number ${goQuoted(text)}`;
  }
  if (text.length > 1 && text.startsWith("0")) {
    return `${name} number must not contain leading zeroes ${goQuoted(text)}`;
  }
  if (text.length > 20 || BigInt(text) > NUMBER_MAX) {
    return `strconv.ParseUint: parsing ${goQuoted(text)}: value out of range`;
  }
  return undefined;
}

function prereleaseComplaint(text: string): string | undefined {
  if (text === "") return "Prerelease is empty";
  if (!IDENTIFIER.test(text)) {
    return `Invalid character(s) found in prerelease ${goQuoted(text)}`;
  }
  if (/^0\d+$/.test(text)) {
    return `Numeric PreRelease version must not contain leading zeroes ${goQuoted(text)}`;
  }
  return undefined;
}

function buildComplaint(text: string): string | undefined {
  if (text === "") return "Build meta data is empty";
  return IDENTIFIER.test(text) ? undefined
    : `Invalid character(s) found in build meta data ${goQuoted(text)}`;
}

/** Cuts a text at the first mark; the rest is undefined without one. */
function cut(text: string, mark: string): [before: string, after: string | undefined] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

export function parseVersion(text: string): Version | Refusal {
  if (text === "") return { complaint: "Version string empty" };
  const [major, afterMajor] = cut(text, ".");
  const [minor, rest] = afterMajor === undefined ? ["", undefined] : cut(afterMajor, ".");
  if (rest === undefined) return { complaint: "No Major.Minor.Patch elements found" };
  const [beforeBuild, build] = cut(rest, "+");
  const [patch, prerelease] = cut(beforeBuild, "-");
  const numbers = [major, minor, patch] as const;
  const identifiers = prerelease?.split(".") ?? [];
  const complaint = [
    ...numbers.map((each, index) => numberComplaint(each, ELEMENTS[index]!)),
    ...identifiers.map(prereleaseComplaint),
    ...(build?.split(".") ?? []).map(buildComplaint),
  ].find((each) => each !== undefined);
  if (complaint !== undefined) return { complaint };
  return { numbers: [BigInt(major), BigInt(minor), BigInt(patch)], prerelease: identifiers };
}

/**
 * Reads a version as people write them: with a `v` before it, without minor or patch, with leading
 * zeros.
 */
export function parseLooseVersion(text: string): Version | Refusal {
  const bare = text.startsWith("v") ? text.slice(1) : text;
  const [major, afterMajor] = cut(bare, ".");
  const [minor, rest] = afterMajor === undefined ? [undefined, undefined] : cut(afterMajor, ".");
  const parts = [major, minor, rest].filter((each) => each !== undefined)
    .map((each) => each.length > 1 ? each.replace(/^0+/, "").replace(/^(?=\D|$)/, "0") : each);
  if (parts.length < 3 && /[+-]/.test(parts[parts.length - 1]!)) {
    return { complaint: "short version cannot contain PreRelease/Build meta data" };
  }
  return parseVersion([...parts, "0", "0"].slice(0, 3).join("."));
}

/** Precedence: negative, zero or positive; build metadata does not count. */
export function compareVersions(a: Version, b: Version): number {
  for (const [index, number] of a.numbers.entries()) {
    const other = b.numbers[index]!;
    if (number !== other) return number < other ? -1 : 1;
  }
  if (a.prerelease.length === 0 || b.prerelease.length === 0) {
    return Math.sign(b.prerelease.length - a.prerelease.length);
  }
  for (const [index, identifier] of a.prerelease.entries()) {
    const other = b.prerelease[index];
    if (other === undefined) return 1;
    const order = compareIdentifiers(identifier, other);
    if (order !== 0) return order;
  }
  return a.prerelease.length < b.prerelease.length ? -1 : 0;
}

/** Numbers by value, others by their characters, a number before any other. */
function compareIdentifiers(a: string, b: string): number {
  const [aNumeric, bNumeric] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (aNumeric !== bNumeric) return aNumeric ? -1 : 1;
  if (!aNumeric) return a === b ? 0 : a < b ? -1 : 1;
  // There are no leading zeros.
  return Math.sign(a.length - b.length) || (a === b ? 0 : a < b ? -1 : 1);
}

/** Semantic versions 2.0.0, with numbers of 64 bits (blang/semver, which Kubernetes uses). */
import { goQuoted } from "@raft2kube/std/go-quote.ts";
import type { Refusal } from "./net-address.ts";

export interface Version {
  readonly numbers: readonly [major: bigint, minor: bigint, patch: bigint];
  readonly prerelease: readonly string[];
}

const NUMBER_MAX = (1n << 64n) - 1n;
const NUMBER = "(0|[1-9]\\d{0,19})";
/** A number without leading zeros, or an identifier that is none. */
const PRERELEASE = "(?:0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*)";
const VERSION = new RegExp(
  `^${NUMBER}\\.${NUMBER}\\.${NUMBER}` +
    `(?:-(${PRERELEASE}(?:\\.${PRERELEASE})*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`,
);

export function parseVersion(text: string): Version | Refusal {
  const [whole, major = "", minor = "", patch = "", prerelease] = VERSION.exec(text) ?? [];
  const numbers = [BigInt(major), BigInt(minor), BigInt(patch)] as const;
  if (whole === undefined || numbers.some((each) => each > NUMBER_MAX)) {
    return { complaint: `not a semantic version: ${goQuoted(text)}` };
  }
  return { numbers, prerelease: prerelease?.split(".") ?? [] };
}

const LOOSE = /^v?([^.]*)(?:\.([^.]*)(?:\.(.*))?)?$/s;

/**
 * Reads a version as people write them: with a `v` before it, without minor or patch, with leading
 * zeros.
 */
export function parseLooseVersion(text: string): Version | Refusal {
  const parts = LOOSE.exec(text)!
    .slice(1)
    .filter((each) => each !== undefined)
    .map((each) => (each.length > 1 ? each.replace(/^0+/, "").replace(/^(?=\D|$)/, "0") : each));
  if (parts.length < 3 && /[+-]/.test(parts.at(-1)!)) {
    return { complaint: `a short version has no suffix: ${goQuoted(text)}` };
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

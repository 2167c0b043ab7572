/** Semantic versions: `semver("1.2.3").isLessThan(semver("v1.3", true))`. */
import type { Library } from "../library.ts";
import { BOOL, INT, objectType, STRING } from "../types.ts";
import { ErrorValue, OpaqueValue, type Value } from "../value.ts";
import { call, functions, method, ordering } from "./declare.ts";
import { isRefusal } from "./net-address.ts";
import {
  compareVersions,
  parseLooseVersion,
  parseVersion,
  type Version,
} from "./semantic-version.ts";

const SEMVER = objectType("kubernetes.Semver");

class SemverValue extends OpaqueValue {
  readonly type = SEMVER;
  readonly version: Version;

  constructor(version: Version) {
    super();
    this.version = version;
  }

  override equals(other: Value): boolean {
    return other instanceof SemverValue && compareVersions(this.version, other.version) === 0;
  }
}

function read(text: string, normalize = false): ReturnType<typeof parseVersion> {
  return normalize ? parseLooseVersion(text) : parseVersion(text);
}

function semverOf(text: string, normalize?: boolean): SemverValue | ErrorValue {
  const version = read(text, normalize);
  return isRefusal(version) ? new ErrorValue(version.complaint) : new SemverValue(version);
}

const isSemver = (text: string, normalize?: boolean): boolean => !isRefusal(read(text, normalize));

const compare = (a: SemverValue, b: SemverValue): number => compareVersions(a.version, b.version);

function number(id: string, index: 0 | 1 | 2): ReturnType<typeof method> {
  return method(id, [SEMVER], INT, ({ version }: SemverValue) =>
    BigInt.asIntN(64, version.numbers[index]),
  );
}

export const semverLibrary: Library = {
  name: "kubernetes.Semver",
  types: [SEMVER],
  functions: functions({
    semver: [
      call("string_to_semver", [STRING], SEMVER, semverOf),
      call("string_bool_to_semver", [STRING, BOOL], SEMVER, semverOf),
    ],
    isSemver: [
      call("is_semver_string", [STRING], BOOL, isSemver),
      call("is_semver_string_bool", [STRING, BOOL], BOOL, isSemver),
    ],
    ...ordering("semver", SEMVER, compare),
    major: [number("semver_major", 0)],
    minor: [number("semver_minor", 1)],
    patch: [number("semver_patch", 2)],
  }),
};

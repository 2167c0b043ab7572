import { CniError } from "./errors.ts";

/**
 * The supported protocol versions, lowest first. Older ones (0.1.0 to 0.3.0) are rejected by name.
 */
export const CNI_VERSIONS = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

export type CniVersion = (typeof CNI_VERSIONS)[number];

/** The newest supported version. */
export const LATEST_VERSION: CniVersion = "1.1.0";

export function isCniVersion(text: unknown): text is CniVersion {
  return CNI_VERSIONS.includes(text as CniVersion);
}

/** Whether `version` is `floor` or newer. */
export function atLeast(version: CniVersion, floor: CniVersion): boolean {
  return CNI_VERSIONS.indexOf(version) >= CNI_VERSIONS.indexOf(floor);
}

/**
 * Returns the highest version that the list allows and all plugins support. Error 1 (incompatible
 * version) names the plugin that supports none of them.
 */
export function negotiate(
  allowed: readonly CniVersion[],
  plugins: readonly { type: string; supported: readonly string[] }[],
): CniVersion {
  const common = allowed.filter((v) => plugins.every((p) => p.supported.includes(v)));
  const best = CNI_VERSIONS.findLast((version) => common.includes(version));
  if (best !== undefined) return best;
  const odd = plugins.find((p) => !allowed.some((v) => p.supported.includes(v)));
  const support = odd
    ? `plugin ${odd.type} supports ${odd.supported.join(", ")}`
    : plugins.map((p) => `${p.type}: ${p.supported.join(", ")}`).join("; ");
  const why = `no common CNI version: the list allows ${allowed.join(", ")}; ${support}`;
  throw new CniError("incompatible-version", why);
}

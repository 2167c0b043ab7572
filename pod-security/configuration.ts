import type { RequestUser } from "@raft2kube/api/kind.ts";
import { dnsLabel, dnsSubdomain, type TextRule } from "@raft2kube/api/validation/names.ts";
import { ConfigFields, type Fields } from "@raft2kube/apimachinery/config-fields.ts";
import { isVersion, LATEST, LEVELS, type LevelVersion, type Policy } from "./policy.ts";

/** The cluster-wide configuration of PodSecurity. */
export interface PodSecurityConfiguration {
  /** The policy of namespaces whose labels set none. */
  readonly defaults: Policy;
  /** The exemptions. */
  readonly exemptions: {
    readonly usernames: ReadonlySet<string>;
    readonly namespaces: ReadonlySet<string>;
    readonly runtimeClasses: ReadonlySet<string>;
  };
}

const PRIVILEGED: LevelVersion = { level: "privileged", version: LATEST };
const NOBODY: ReadonlySet<string> = new Set();

export const NO_POD_SECURITY: PodSecurityConfiguration = {
  defaults: { enforce: PRIVILEGED, audit: PRIVILEGED, warn: PRIVILEGED },
  exemptions: { usernames: NOBODY, namespaces: NOBODY, runtimeClasses: NOBODY },
};

const VERSIONS = ["v1", "v1beta1", "v1alpha1"].map(
  (version) => `pod-security.admission.config.k8s.io/${version}`,
);
const MODES = ["enforce", "audit", "warn"] as const;

const read: ConfigFields = new ConfigFields("PodSecurityConfiguration");

/** Reads a PodSecurityConfiguration. Throws ConfigFileError. */
export function readPodSecurity(value: unknown): PodSecurityConfiguration {
  const whole = read.whole(value, VERSIONS, ["defaults", "exemptions"]);
  const exemptions = read.object("exemptions", whole["exemptions"] ?? {});
  read.onlyKnown("exemptions", exemptions, ["usernames", "namespaces", "runtimeClasses"]);
  return {
    defaults: defaultsOf(read.object("defaults", whole["defaults"] ?? {})),
    exemptions: {
      usernames: namesIn(exemptions, "usernames"),
      namespaces: namesIn(exemptions, "namespaces", dnsLabel),
      runtimeClasses: namesIn(exemptions, "runtimeClasses", dnsSubdomain),
    },
  };
}

function defaultsOf(fields: Fields): Policy {
  read.onlyKnown("defaults", fields, [...MODES, ...MODES.map((mode) => `${mode}-version`)]);
  const modeOf = (mode: (typeof MODES)[number]): LevelVersion => {
    const { [mode]: level = PRIVILEGED.level, [`${mode}-version`]: version = LATEST } = fields;
    const known = LEVELS.find((each) => each === level);
    if (known === undefined) {
      return read.refuse(`defaults.${mode}`, `must be one of ${LEVELS.join(", ")}`);
    }
    if (typeof version === "string" && isVersion(version)) return { level: known, version };
    return read.refuse(`defaults.${mode}-version`, `must be "latest" or "v1.x"`);
  };
  return { enforce: modeOf("enforce"), audit: modeOf("audit"), warn: modeOf("warn") };
}

function namesIn(fields: Fields, field: string, rule?: TextRule): ReadonlySet<string> {
  const value = fields[field] ?? [];
  const at = `exemptions.${field}`;
  if (!Array.isArray(value)) return read.refuse(at, "must be a list");
  const names = new Set<string>();
  value.forEach((each, index) => {
    const name = read.text(`${at}[${index}]`, each);
    const [wrong] = rule?.(name) ?? [];
    if (wrong !== undefined) read.refuse(`${at}[${index}]`, wrong);
    if (names.has(name)) read.refuse(`${at}[${index}]`, `${name} is there twice`);
    names.add(name);
  });
  return names;
}

/** Whether pods in a namespace, made by a user, are not looked at. */
export function isExempt(
  { exemptions }: PodSecurityConfiguration,
  namespace: string,
  user: RequestUser,
): boolean {
  return exemptions.namespaces.has(namespace) || exemptions.usernames.has(user.name);
}

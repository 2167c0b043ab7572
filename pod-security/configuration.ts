import type { RequestUser } from "@raft2kube/api/kind.ts";
import { dnsLabel, dnsSubdomain, type TextRule } from "@raft2kube/api/validation/names.ts";
import { ConfigFields } from "@raft2kube/apimachinery/config-fields.ts";
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

/** Reads a PodSecurityConfiguration. Throws ConfigFileError. */
export function readPodSecurity(value: unknown): PodSecurityConfiguration {
  return ConfigFields.file("PodSecurityConfiguration", value, VERSIONS, (whole) => {
    const exemptions = whole.object("exemptions", {});
    return {
      defaults: defaultsOf(whole.object("defaults", {})),
      exemptions: {
        usernames: namesIn(exemptions, "usernames"),
        namespaces: namesIn(exemptions, "namespaces", dnsLabel),
        runtimeClasses: namesIn(exemptions, "runtimeClasses", dnsSubdomain),
      },
    };
  });
}

function defaultsOf(fields: ConfigFields): Policy {
  const modeOf = (mode: keyof Policy): LevelVersion => {
    const level = fields.has(mode) ? fields.choice(mode, LEVELS) : PRIVILEGED.level;
    const version = fields.text(`${mode}-version`, LATEST);
    if (isVersion(version)) return { level, version };
    return fields.refuse(`${mode}-version`, `must be "latest" or "v1.x"`);
  };
  return { enforce: modeOf("enforce"), audit: modeOf("audit"), warn: modeOf("warn") };
}

function namesIn(fields: ConfigFields, field: string, rule?: TextRule): ReadonlySet<string> {
  const names = fields.has(field) ? fields.texts(field) : [];
  names.forEach((name, index) => {
    const [wrong] = name === "" ? ["must be a text that is not empty"] : (rule?.(name) ?? []);
    if (wrong !== undefined) fields.refuse(`${field}[${index}]`, wrong);
  });
  fields.distinct(field, "name", names);
  return new Set(names);
}

/** Whether pods in a namespace, made by a user, are not looked at. */
export function isExempt(
  { exemptions }: PodSecurityConfiguration,
  namespace: string,
  user: RequestUser,
): boolean {
  return exemptions.namespaces.has(namespace) || exemptions.usernames.has(user.name);
}

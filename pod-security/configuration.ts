import type * as File from "@raft2kube/api/gen/podsecurity/v1.ts";
import type { RequestUser } from "@raft2kube/api/kind.ts";
import { dnsLabel, dnsSubdomain, type TextRule } from "@raft2kube/api/validation/names.ts";
import { configFile, type Place } from "@raft2kube/apimachinery/config-file.ts";
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
  const { config, at } = configFile<File.PodSecurityConfiguration>(
    "podsecurity/v1.PodSecurityConfiguration",
    VERSIONS,
    value,
  );
  const { usernames, namespaces, runtimeClasses } = config.exemptions;
  const exemptions = at.in("exemptions");
  return {
    defaults: defaultsOf(config.defaults, at.in("defaults")),
    exemptions: {
      usernames: namesIn(exemptions, "usernames", usernames),
      namespaces: namesIn(exemptions, "namespaces", namespaces, dnsLabel),
      runtimeClasses: namesIn(exemptions, "runtimeClasses", runtimeClasses, dnsSubdomain),
    },
  };
}

function defaultsOf(given: File.PodSecurityDefaults, at: Place): Policy {
  const modeOf = (mode: keyof Policy): LevelVersion => {
    const level = at.choice(mode, given[mode] || PRIVILEGED.level, LEVELS);
    const version = given[`${mode}-version`] || LATEST;
    if (isVersion(version)) return { level, version };
    return at.refuse(`${mode}-version`, `must be "latest" or "v1.x"`);
  };
  return { enforce: modeOf("enforce"), audit: modeOf("audit"), warn: modeOf("warn") };
}

function namesIn(
  at: Place,
  field: string,
  names: readonly string[] = [],
  rule: TextRule = () => [],
): ReadonlySet<string> {
  names.forEach((name, i) => {
    const place = `${field}[${i}]`;
    at.check(place, rule(at.text(place, name)));
  });
  at.distinct(field, "name", names);
  return new Set(names);
}

/** Whether pods in a namespace, made by a user, are not looked at. */
export const isExempt = (
  { exemptions }: PodSecurityConfiguration,
  namespace: string,
  user: RequestUser,
): boolean => exemptions.namespaces.has(namespace) || exemptions.usernames.has(user.name);

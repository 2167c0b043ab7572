import type { AdmissionConfiguration as File } from "@raft2kube/api/gen/apiserver/v1.ts";
import type { Toleration } from "@raft2kube/api/gen/core/v1.ts";
import type { Configuration as Limits } from "@raft2kube/api/gen/eventratelimit/v1alpha1.ts";
import type { Configuration as Tolerations } from "@raft2kube/api/gen/podtolerationrestriction/v1alpha1.ts";
import { configFile, Place, readConfigFile } from "@raft2kube/apimachinery/config-file.ts";
import { isObject } from "@raft2kube/apimachinery/json/json.ts";
import {
  NO_POD_SECURITY,
  type PodSecurityConfiguration,
  readPodSecurity,
} from "@raft2kube/pod-security/configuration.ts";

/** One rate of EventRateLimit (eventratelimit.admission.k8s.io/v1alpha1). */
export interface EventLimit {
  readonly type: "Server" | "Namespace" | "User" | "SourceAndObject";
  readonly qps: number;
  readonly burst: number;
  readonly cacheSize: number;
}

/** The content of `--admission-control-config-file` for the plugins that can be configured. */
export interface AdmissionConfiguration {
  readonly podSecurity: PodSecurityConfiguration;
  readonly eventLimits: readonly EventLimit[];
  /** Node selectors by namespace, and that of all others (PodNodeSelector). */
  readonly podNodeSelectors: Readonly<Record<string, string>>;
  readonly tolerations: {
    readonly defaults: readonly Toleration[];
    readonly allowed: readonly Toleration[];
  };
}

export const NO_CONFIGURATION: AdmissionConfiguration = {
  podSecurity: NO_POD_SECURITY,
  eventLimits: [],
  podNodeSelectors: {},
  tolerations: { defaults: [], allowed: [] },
};

const VERSIONS = ["apiserver.config.k8s.io/v1"];

/** Readers of the configurations of plugins, by their names. */
const READERS: Readonly<Record<string, (inner: unknown) => Partial<AdmissionConfiguration>>> = {
  PodSecurity: (inner) => ({ podSecurity: readPodSecurity(inner) }),
  EventRateLimit: (inner) => ({ eventLimits: readEventLimits(inner) }),
  PodNodeSelector: (inner) => ({ podNodeSelectors: readNodeSelectors(inner) }),
  PodTolerationRestriction: (inner) => ({ tolerations: readTolerations(inner) }),
};

/**
 * Reads an AdmissionConfiguration (apiserver.config.k8s.io/v1) in YAML or JSON. Files that it names
 * (`path`) are read by `readFile`. Throws ConfigFileError, also for plugins that take none here.
 */
export async function readAdmissionConfiguration(
  text: string,
  readFile: (path: string) => string,
): Promise<AdmissionConfiguration> {
  const { yamlValue } = await import("@raft2kube/apimachinery/yaml.ts");
  const type = "apiserver/v1.AdmissionConfiguration";
  const { config, at } = await readConfigFile<File>(type, VERSIONS, text);
  const plugins = at.some("plugins", config.plugins);
  at.distinct("plugins", "name", plugins, ({ name }) => name);
  const read = at.each("plugins", plugins, ({ name, path, configuration }, place) => {
    const reader = Object.hasOwn(READERS, name) ? READERS[name]! : undefined;
    if (reader === undefined) {
      const known = Object.keys(READERS).join(", ");
      return place.refuse("name", `${name} takes no configuration here; there are ${known}`);
    }
    return reader(configuration ?? yamlValue(readFile(place.text("path", path))));
  });
  return Object.assign({}, NO_CONFIGURATION, ...read) as AdmissionConfiguration;
}

const LIMIT_TYPES = ["Server", "Namespace", "User", "SourceAndObject"] as const;
/** Upstream's. */
const BUCKETS = 4_096;

function readEventLimits(value: unknown): EventLimit[] {
  const versions = ["eventratelimit.admission.k8s.io/v1alpha1"];
  const type = "eventratelimit/v1alpha1.Configuration";
  const { config, at } = configFile<Limits>(type, versions, value);
  return at.each("limits", at.some("limits", config.limits), (limit, place) => {
    const { qps, burst, cacheSize = BUCKETS } = limit;
    for (const [field, count] of Object.entries({ qps, burst, cacheSize })) {
      if (count <= 0) place.refuse(field, "must be a positive whole number");
    }
    return { qps, burst, cacheSize, type: place.choice("type", limit.type, LIMIT_TYPES) };
  });
}

/** The file of this plugin has no kind, as upstream's. */
function readNodeSelectors(value: unknown): Record<string, string> {
  const at = new Place("PodNodeSelector");
  if (!isObject(value)) return at.refuse("", "must be an object");
  const { podNodeSelectorPluginConfig: selectors, ...others } = value;
  at.none(others, ...Object.keys(others));
  if (!isObject(selectors)) return at.refuse("podNodeSelectorPluginConfig", "must be an object");
  const place = at.in("podNodeSelectorPluginConfig");
  const texts = Object.entries(selectors).map(([namespace, text]) => {
    if (typeof text === "string") return [namespace, text];
    return text === null ? [namespace, ""] : place.refuse(namespace, "must be a text");
  });
  return Object.fromEntries(texts) as Record<string, string>;
}

function readTolerations(value: unknown): AdmissionConfiguration["tolerations"] {
  const versions = ["podtolerationrestriction.admission.k8s.io/v1alpha1"];
  const type = "podtolerationrestriction/v1alpha1.Configuration";
  const { config } = configFile<Tolerations>(type, versions, value);
  return { defaults: config.default ?? [], allowed: config.whitelist ?? [] };
}

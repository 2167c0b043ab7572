import type { Toleration } from "@raft2kube/api/gen/core/v1.ts";
import { ConfigFields } from "@raft2kube/apimachinery/config-fields.ts";
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

const read: ConfigFields = new ConfigFields("AdmissionConfiguration");

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
  const whole = read.whole(yamlValue(text), ["apiserver.config.k8s.io/v1"], ["plugins"]);
  let configuration = NO_CONFIGURATION;
  const names = new Set<string>();
  read.list("plugins", whole["plugins"]).forEach((value, index) => {
    const at = `plugins[${index}]`;
    const plugin = read.object(at, value);
    read.onlyKnown(at, plugin, ["name", "path", "configuration"]);
    const name = read.text(`${at}.name`, plugin["name"]);
    if (names.has(name)) read.refuse(`${at}.name`, `${name} is configured twice`);
    names.add(name);
    const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
    if (reader === undefined) {
      const known = Object.keys(READERS).join(", ");
      read.refuse(`${at}.name`, `${name} takes no configuration here; there are ${known}`);
    }
    const { path, configuration: own = null } = plugin;
    const inner = own ?? yamlValue(readFile(read.text(`${at}.path`, path)));
    configuration = { ...configuration, ...reader!(inner) };
  });
  return configuration;
}

const LIMIT_TYPES = ["Server", "Namespace", "User", "SourceAndObject"] as const;
/** Upstream's. */
const BUCKETS = 4_096;

function readEventLimits(value: unknown): EventLimit[] {
  const fields = new ConfigFields("Configuration");
  const versions = ["eventratelimit.admission.k8s.io/v1alpha1"];
  const { limits } = fields.whole(value, versions, ["limits"]);
  const count = (at: string, given: unknown): number => {
    if (typeof given === "number" && Number.isInteger(given) && given > 0) return given;
    return fields.refuse(at, "must be a positive whole number");
  };
  return fields.list("limits", limits).map((each, index) => {
    const at = `limits[${index}]`;
    const limit = fields.object(at, each);
    fields.onlyKnown(at, limit, ["type", "qps", "burst", "cacheSize"]);
    const type = LIMIT_TYPES.find((known) => known === limit["type"]);
    if (type === undefined) fields.refuse(`${at}.type`, `must be ${LIMIT_TYPES.join(", ")}`);
    return {
      type: type!,
      qps: count(`${at}.qps`, limit["qps"]),
      burst: count(`${at}.burst`, limit["burst"]),
      cacheSize: count(`${at}.cacheSize`, limit["cacheSize"] || BUCKETS),
    };
  });
}

function readNodeSelectors(value: unknown): Record<string, string> {
  const name = "podNodeSelectorPluginConfig";
  const fields = new ConfigFields("PodNodeSelector");
  const whole = fields.object("", value);
  fields.onlyKnown("", whole, [name]);
  const selectors = Object.entries(fields.object(name, whole[name]));
  return Object.fromEntries(selectors.map(([namespace, selector]) =>
    [namespace, selector === "" ? "" : fields.text(`${name}.${namespace}`, selector)]));
}

function readTolerations(value: unknown): AdmissionConfiguration["tolerations"] {
  const fields = new ConfigFields("Configuration");
  const versions = ["podtolerationrestriction.admission.k8s.io/v1alpha1"];
  const whole = fields.whole(value, versions, ["default", "whitelist"]);
  const of = (name: string) => whole[name] === undefined ? [] :
    fields.list(name, whole[name])
      .map((each, index) => fields.object(`${name}[${index}]`, each) as unknown as Toleration);
  return { defaults: of("default"), allowed: of("whitelist") };
}

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
  return await ConfigFields.read("AdmissionConfiguration", text, VERSIONS, (whole) => {
    let configuration = NO_CONFIGURATION;
    const names = new Set<string>();
    for (const plugin of whole.objects("plugins", { required: true })) {
      const [name, path] = [plugin.text("name"), plugin.text("path", "")];
      if (names.has(name)) plugin.refuse("name", `${name} is configured twice`);
      names.add(name);
      const reader = Object.hasOwn(READERS, name) ? READERS[name]! : undefined;
      if (reader === undefined) {
        const read = Object.keys(READERS).join(", ");
        return plugin.refuse("name", `${name} takes no configuration here; there are ${read}`);
      }
      const inner =
        plugin.value("configuration") ?? yamlValue(readFile(path || plugin.text("path")));
      configuration = { ...configuration, ...reader(inner) };
    }
    return configuration;
  });
}

const LIMIT_TYPES = ["Server", "Namespace", "User", "SourceAndObject"] as const;
/** Upstream's. */
const BUCKETS = 4_096;

function readEventLimits(value: unknown): EventLimit[] {
  const versions = ["eventratelimit.admission.k8s.io/v1alpha1"];
  return ConfigFields.file("Configuration", value, versions, (whole) =>
    whole
      .objects("limits", { required: true })
      .map((limit) => ({
        type: limit.choice("type", LIMIT_TYPES),
        qps: countIn(limit, "qps"),
        burst: countIn(limit, "burst"),
        cacheSize: limit.value("cacheSize") ? countIn(limit, "cacheSize") : BUCKETS,
      })),
  );
}

function countIn(limit: ConfigFields, name: string): number {
  const given = limit.value(name);
  if (typeof given === "number" && Number.isInteger(given) && given > 0) return given;
  return limit.refuse(name, "must be a positive whole number");
}

function readNodeSelectors(value: unknown): Record<string, string> {
  return ConfigFields.of("PodNodeSelector", value, (whole) => {
    const selectors = whole.object("podNodeSelectorPluginConfig");
    return Object.fromEntries(
      selectors.names.map((namespace) => [namespace, selectors.text(namespace, "")]),
    );
  });
}

function readTolerations(value: unknown): AdmissionConfiguration["tolerations"] {
  const versions = ["podtolerationrestriction.admission.k8s.io/v1alpha1"];
  return ConfigFields.file("Configuration", value, versions, (whole) => {
    const of = (name: string) => whole.objects(name).map((each) => each.fields as Toleration);
    return { defaults: of("default"), allowed: of("whitelist") };
  });
}

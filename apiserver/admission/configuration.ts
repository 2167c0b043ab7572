import { ConfigFields } from "@raft2kube/apimachinery/config-fields.ts";
import {
  NO_POD_SECURITY,
  type PodSecurityConfiguration,
  readPodSecurity,
} from "@raft2kube/pod-security/configuration.ts";

/** The content of `--admission-control-config-file` for the plugins that can be configured. */
export interface AdmissionConfiguration {
  readonly podSecurity: PodSecurityConfiguration;
}

export const NO_CONFIGURATION: AdmissionConfiguration = { podSecurity: NO_POD_SECURITY };

const read: ConfigFields = new ConfigFields("AdmissionConfiguration");

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
    if (name !== "PodSecurity") {
      read.refuse(`${at}.name`, `${name} takes no configuration here; PodSecurity does`);
    }
    const { path, configuration: own = null } = plugin;
    const inner = own ?? yamlValue(readFile(read.text(`${at}.path`, path)));
    configuration = { ...configuration, podSecurity: readPodSecurity(inner) };
  });
  return configuration;
}

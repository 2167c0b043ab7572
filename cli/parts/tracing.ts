import { hostname } from "node:os";
import { ConfigFields } from "@raft2kube/apimachinery/config-fields.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { checkTracing, startTracing, type TracingConfig } from "@raft2kube/rpc/otlp/tracing.ts";

const VERSIONS = ["v1", "v1beta1", "v1alpha1"].map((each) => `apiserver.config.k8s.io/${each}`);

/**
 * Starts the API server's tracer by its TracingConfiguration, parsed from YAML or JSON. Throws
 * ConfigFileError.
 */
export function apiserverTracer(value: unknown): Tracer {
  const config = ConfigFields.file("TracingConfiguration", value, VERSIONS, readTracing);
  return startTracing({ name: "apiserver", instance: hostname() }, config);
}

/** Reads the fields of upstream's TracingConfiguration. Throws ConfigFileError. */
function readTracing(fields: ConfigFields): TracingConfig {
  const rate = fields.value("samplingRatePerMillion");
  if (rate !== undefined && typeof rate !== "number") {
    return fields.refuse("samplingRatePerMillion", "must be a number");
  }
  const config: TracingConfig = {
    ...(fields.has("endpoint") ? { endpoint: fields.text("endpoint") } : {}),
    ...(rate === undefined ? {} : { samplingRatePerMillion: rate }),
  };
  checkTracing(config);
  return config;
}

import { hostname } from "node:os";
import { ConfigFields, type Fields } from "@raft2kube/apimachinery/config-fields.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { checkTracing, startTracing, type TracingConfig } from "@raft2kube/rpc/otlp/tracing.ts";

const FIELDS = ["endpoint", "samplingRatePerMillion"];
const VERSIONS = ["v1", "v1beta1", "v1alpha1"].map((each) => `apiserver.config.k8s.io/${each}`);

/**
 * Starts the API server's tracer by its TracingConfiguration, parsed from YAML or JSON. Throws
 * ConfigFileError.
 */
export function apiserverTracer(value: unknown): Tracer {
  const fields = new ConfigFields("TracingConfiguration");
  const config = readTracing(fields, "", fields.whole(value, VERSIONS, FIELDS));
  return startTracing({ name: "apiserver", instance: hostname() }, config);
}

/** Reads the fields of upstream's TracingConfiguration. Throws ConfigFileError. */
function readTracing(fields: ConfigFields, at: string, given: Fields): TracingConfig {
  const field = (name: string) => (at === "" ? name : `${at}.${name}`);
  const { endpoint, samplingRatePerMillion: rate } = given;
  if (rate !== undefined && typeof rate !== "number") {
    fields.refuse(field("samplingRatePerMillion"), "must be a number");
  }
  const config: TracingConfig = {
    ...(endpoint === undefined ? {} : { endpoint: fields.text(field("endpoint"), endpoint) }),
    ...(rate === undefined ? {} : { samplingRatePerMillion: rate as number }),
  };
  checkTracing(config);
  return config;
}

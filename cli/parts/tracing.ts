import { hostname } from "node:os";
import type { TracingConfiguration } from "@raft2kube/api/gen/tracing/v1.ts";
import { configFile } from "@raft2kube/apimachinery/config-file.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { startTracing } from "@raft2kube/rpc/otlp/tracing.ts";

const VERSIONS = ["v1", "v1beta1", "v1alpha1"].map((each) => `apiserver.config.k8s.io/${each}`);

/** Starts the API server's tracer by a parsed TracingConfiguration. Throws ConfigFileError. */
export function apiserverTracer(value: unknown): Tracer {
  const type = "tracing/v1.TracingConfiguration";
  const { config } = configFile<TracingConfiguration>(type, VERSIONS, value);
  return startTracing({ name: "apiserver", instance: hostname() }, config);
}

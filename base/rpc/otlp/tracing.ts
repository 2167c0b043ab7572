import { SAMPLING_RATE_MAX } from "@raft2kube/observe/limits.ts";
import { type SpanSink, type TracedService, Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { systemRandom } from "@raft2kube/std/random.ts";
import { otlpExporter } from "./exporter.ts";

/** Upstream's TracingConfiguration (k8s.io/component-base/tracing/api/v1). */
export interface TracingConfig {
  /** Default DEFAULT_ENDPOINT. */
  readonly endpoint?: string | undefined;
  /** Root spans that are sampled; without it, only those whose caller's is. */
  readonly samplingRatePerMillion?: number | undefined;
}

/** The port of OTLP over gRPC. */
const DEFAULT_ENDPOINT = "localhost:4317";

/** Upstream refuses others than these schemes of gRPC's names; none is `dns`. */
const NAME = /^(?:dns:(?:\/\/[^/]*\/)?)?(?<host>(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d+)?)$/;

/** Returns the address of a receiver to connect to. Throws CodedError naming the field. */
function receiverAddress(endpoint: string): string {
  if (endpoint.startsWith("unix:")) return endpoint;
  const host = NAME.exec(endpoint)?.groups?.["host"];
  if (host !== undefined) return `http://${host}`;
  throw new CodedError("TRACING", `endpoint: not an address of a receiver: ${endpoint}`, {
    remedy: "give --traces-to or the field host:port, dns:///host:port or unix:///path; no TLS",
  });
}

/** Checks a configuration. Throws CodedError naming the field. */
export function checkTracing({ endpoint, samplingRatePerMillion: rate = 0 }: TracingConfig): void {
  receiverAddress(endpoint ?? DEFAULT_ENDPOINT);
  if (Number.isSafeInteger(rate) && rate >= 0 && rate <= SAMPLING_RATE_MAX) return;
  throw new CodedError("TRACING", `samplingRatePerMillion: ${rate} is not a rate`, {
    remedy: `give a whole number from 0 to ${SAMPLING_RATE_MAX}`,
  });
}

/** Returns what sends spans to a receiver. Throws CodedError naming the field. */
export const exporterTo = (endpoint: string): SpanSink =>
  otlpExporter(receiverAddress(endpoint), systemClock({ unref: true }));

/** Starts a component's tracer, whose spans go to the configured receiver, or to `given`. */
export function startTracing(service: TracedService, config: TracingConfig, given?: SpanSink) {
  checkTracing(config);
  const { samplingRatePerMillion = 0, endpoint = DEFAULT_ENDPOINT } = config;
  const sink = given ?? exporterTo(endpoint);
  const clock = systemClock({ unref: true });
  return new Tracer({ service, samplingRatePerMillion, clock, random: systemRandom, sink });
}
